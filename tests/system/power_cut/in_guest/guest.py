# SPDX-License-Identifier: GPL-3.0-or-later
"""The init process of the machine whose power is cut: it tells what is on the disk, and then has our programs change it.

The host sends one line of JSON, the settings of the round. From here come lines of JSON, in the order in which things
happen: what is about to be done, and what a program has acknowledged. See report.py.
"""

import os
import random
import subprocess
import sys
import time
import traceback

import look
import programs
import report
import work

MOUNTS = (
    ("proc", "/proc", ""),
    ("sysfs", "/sys", ""),
    ("tmpfs", "/run", "mode=755"),
    ("tmpfs", "/tmp", ""),
)
DISK = "/dev/vdc"
DRIVER = "/sys/bus/virtio/drivers/virtio_blk"
# As systemd sets it: the recorder must not wait for who reads the journal.
QUEUE = "/proc/sys/net/unix/max_dgram_qlen"
# This process may keep the processor to itself, so that the machine stands still while the host cuts the power.
LIMIT = "/proc/sys/kernel/sched_rt_runtime_us"

# How soon the kernel writes what no program has flushed, in hundredths of a second: it then is in the drive's cache.
WRITEBACK = ("dirty_expire_centisecs", "dirty_writeback_centisecs")


def main():
    os.environ["PATH"] = "/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin"
    for kind, place, options in MOUNTS:
        subprocess.run(["mount", "-t", kind, *(["-o", options] if options else []), "none", place], check=True)
    report.open_port()
    try:
        boot()
        round_of(report.listen())
    except BaseException:
        report.say("broken", text=traceback.format_exc())
    while True:
        time.sleep(1000)


def boot():
    """Do what is the same in each round; the host saves the machine when it is ready."""
    for path, value in ((QUEUE, "512"), (LIMIT, "-1")):
        with open(path, "w") as file:
            file.write(value)
    os.makedirs("/run/systemd/journal")
    programs.load()
    # Connected anew later, so that nothing of it is remembered.
    name = os.path.basename(os.readlink(f"/sys/block/{os.path.basename(DISK)}/device"))
    with open(f"{DRIVER}/unbind", "w") as file:
        file.write(name)
    report.say("ready")
    report.drive = name


def mount(file_system):
    """Mount the disk; where ext4 asks for it, e2fsck looks at it first, as systemd has fsck(8) do at each boot.

    The kernel does not mount ext4 after a commit block of its journal was torn ("journal transaction is corrupt").
    """
    words = ["mount", "-t", file_system, DISK, look.DISK]
    if file_system != "ext4":
        subprocess.run(words, check=True)
    elif subprocess.run(words).returncode:
        checked = subprocess.run(["e2fsck", "-f", "-y", DISK], capture_output=True, text=True)
        report.say("checked", status=checked.returncode, text=checked.stdout[-1000:])
        subprocess.run(words, check=True)


def round_of(settings):
    """Do one round; the host ends it."""
    begun = time.monotonic()
    time.clock_settime(time.CLOCK_REALTIME, settings["time"])
    with open(f"{DRIVER}/bind", "w") as file:
        file.write(report.drive)
    mount(settings["file_system"])
    report.say("mounted", seconds=round(time.monotonic() - begun, 2))
    programs.mutant = settings["mutant"]
    if settings["writeback"]:
        for name in WRITEBACK:
            with open(f"/proc/sys/vm/{name}", "w") as file:
                file.write(str(settings["writeback"]))
    look.make_places(settings)
    found = look.tell(settings["look_at"])
    desk = work.Desk(settings, random.Random(settings["seed"]))
    if settings["work"]:
        desk.start_recorder()
        look.tell_again(settings["look_at"], found)
        desk.begin()
    report.say("end", seconds=round(time.monotonic() - begun, 2))


sys.dont_write_bytecode = True
if __name__ == "__main__":
    main()
