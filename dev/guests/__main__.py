# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of the test bed: PYTHONPATH=dev python3 -m guests COMMAND ..."""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable

from . import prerequisites, recipe
from .errors import GuestsError
from .image import ensure_image, rebuild_image
from .lab import Lab


def main(words: list[str] | None = None) -> int:
    """Run the command line WORDS (default: this process's); return the exit status."""
    arguments = _parser().parse_args(words)
    try:
        prerequisites.require_root()
        return arguments.run(Lab(), arguments) or 0
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (GuestsError, subprocess.SubprocessError, OSError) as error:
        print(f"guests: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _image(lab: Lab, arguments: argparse.Namespace) -> None:
    """Build images and print where they lie."""
    prerequisites.require_all()
    make = rebuild_image if arguments.anew else ensure_image
    for name in arguments.name:
        print(make(lab.state, name))


def _up(lab: Lab, arguments: argparse.Namespace) -> None:
    """Boot guests side by side and print their addresses."""
    lab.up()
    guests = []
    for word in arguments.name:
        name, _, release = word.partition("=")
        guests.append(lab.guest(name, release or None))
    # One after the other: two downloads at a time are no faster, and their progress lines would mix.
    for release in dict.fromkeys(guest.release for guest in guests):
        ensure_image(lab.state, release)
    lab.boot(guests, fresh=not arguments.keep, timeout=arguments.timeout)
    for guest in guests:
        print(f"{guest.name} {guest.release} {guest.address4} {guest.address6}")


def _run(lab: Lab, arguments: argparse.Namespace) -> None:
    """Become a command in a guest."""
    _become([*lab.guest_by_name(arguments.name).enter(), *_command(arguments)])


def _shell(lab: Lab, arguments: argparse.Namespace) -> None:
    """Become a login shell in a guest."""
    term = f"TERM={os.environ.get('TERM', 'dumb')}"
    _become([*lab.guest_by_name(arguments.name).enter(), term, "bash", "-l"])


def _client(lab: Lab, arguments: argparse.Namespace) -> None:
    """Make a client and print its addresses."""
    client = lab.up().client(arguments.name, arguments.address)
    print(client.name, *client.addresses)


def _client_run(lab: Lab, arguments: argparse.Namespace) -> None:
    """Become a command with a client's network."""
    _become([*lab.client_by_name(arguments.name).enter(), *_command(arguments)])


def _controller(lab: Lab, arguments: argparse.Namespace) -> None:
    """Become a command in the controller; brings the network up first."""
    lab.up()
    _become([*lab.controller.enter(), *_command(arguments)])


def _inventory(lab: Lab, _: argparse.Namespace) -> None:
    """Print the Ansible inventory."""
    print(lab.inventory(), end="")


def _list(lab: Lab, _: argparse.Namespace) -> None:
    """Print guests, clients and images, one a line."""
    for guest in lab.guests():
        status = "running" if guest.is_running() else "stopped"
        print(f"guest {guest.name} {guest.release} {status} {guest.address4} {guest.address6}")
    for client in lab.clients():
        print("client", client.name, *client.addresses)
    for name in recipe.RECIPES:
        for image in sorted(lab.state.images.glob(f"{name}-*")):
            print(f"image {name} {image}")


def _down(lab: Lab, arguments: argparse.Namespace) -> None:
    """Remove guests and clients."""
    lab.down(arguments.name or None)


def _clean(lab: Lab, _: argparse.Namespace) -> None:
    """Remove everything."""
    lab.clean()


def _command(arguments: argparse.Namespace) -> list[str]:
    """Return the command after the "--"; raises GuestsError where there is none."""
    words = arguments.command[1:] if arguments.command[:1] == ["--"] else arguments.command
    if not words:
        raise GuestsError("there is no command to run: put it after --")
    return words


def _become(command: list[str]) -> None:
    """Replace this process by COMMAND, which gets its terminal and gives its exit status."""
    sys.stdout.flush()
    os.execvp(command[0], command)


def _parser() -> argparse.ArgumentParser:
    """Return the parser, each command with the function that does it."""
    parser = argparse.ArgumentParser(
        prog="guests",
        description="Real Debian mail hosts on one machine, on a network without a way out. Needs root.",
        epilog="State lies in $GUESTS_STATE (default: .build/guests in the checkout). Every command can be repeated.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, function: Callable, words: str) -> argparse.ArgumentParser:
        """Return the parser of the new command NAME, done by FUNCTION and described by WORDS."""
        command = commands.add_parser(name, help=words, description=words)
        command.set_defaults(run=function)
        return command

    command = add("image", _image, "build images where they are missing or outdated")
    command.add_argument("--anew", action="store_true", help="build them of today's packages even if they are there")
    command.add_argument("name", nargs="+", choices=recipe.RECIPES, metavar="IMAGE", help=", ".join(recipe.RECIPES))
    command = add("up", _up, "boot guests and wait until they are ready")
    command.add_argument("name", nargs="+", metavar="NAME[=RELEASE]", help=f"default release: {recipe.RELEASES[0]}")
    command.add_argument("--keep", action="store_true", help="boot a stopped guest with the disk that it had")
    command.add_argument("--timeout", type=float, default=90, metavar="SECONDS", help="deadline (default: 90)")
    command = add("run", _run, "run a command as root in a guest")
    command.add_argument("name", metavar="NAME")
    command.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND ...")
    command = add("shell", _shell, "open a shell in a guest")
    command.add_argument("name", metavar="NAME")
    command = add("client", _client, "make a mail client: a network namespace with addresses")
    command.add_argument("name", metavar="NAME")
    words = "IPv4 or IPv6 address, with or without /PREFIX; may be repeated (default: one of each)"
    command.add_argument("--address", action="append", default=[], metavar="ADDRESS", help=words)
    command = add("client-run", _client_run, "run a command with the network of a client")
    command.add_argument("name", metavar="NAME")
    command.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND ...")
    command = add("controller", _controller, "run a command, such as ansible-playbook, on the guests' network")
    command.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND ...")
    add("inventory", _inventory, "print the Ansible inventory of the running guests")
    add("list", _list, "list guests, clients and images")
    command = add("down", _down, "remove guests and clients with their disks (default: all, and the network)")
    command.add_argument("name", nargs="*", metavar="NAME")
    add("clean", _clean, "remove everything, images and keys too")
    return parser


if __name__ == "__main__":
    sys.exit(main())
