# SPDX-License-Identifier: GPL-3.0-or-later
"""The rooms of the shared code stand on floors: each imports only what is below it, and a module ships only what it uses."""

import ast

import pytest

from ansible_collections.vsmtp.relay.dev.support import rooms
from ansible_collections.vsmtp.relay.dev.support.places import CHECKOUT

SHARED_FILES = [file for file in rooms.sources() if file.startswith(rooms.SHARED)]
PACKAGES = sorted({str(path.parent) for path in (CHECKOUT / rooms.SHARED).rglob("__init__.py")})
# What these modules do has nothing to do with a database.
WITHOUT_A_DATABASE = (
    "host_files",
    "host_packages",
    "mail_host_info",
    "sendmail_reload",
    "sendmail_ruleset",
    "virtual_servers_info",
)


def test_every_room_is_on_one_floor():
    on_floors = [room for floor in rooms.FLOORS for room in floor]
    assert sorted(on_floors) == sorted({rooms.room_of(file) for file in SHARED_FILES})


def test_a_room_imports_only_rooms_of_lower_floors():
    floor_of = {room: number for number, floor in enumerate(rooms.FLOORS) for room in floor}
    upward = [
        (importer, imported)
        for importer, imported in rooms.imports()
        if importer in floor_of and floor_of.get(imported, len(rooms.FLOORS)) >= floor_of[importer]
    ]
    assert upward == []


@pytest.mark.parametrize("file", rooms.sources())
def test_no_file_imports_itself_by_way_of_others(file):
    others = {each for imported in rooms.imported_by(file, with_types=False) for each in rooms.shipped_with(imported)}
    assert file not in others


@pytest.mark.parametrize("module", WITHOUT_A_DATABASE)
def test_a_module_that_needs_no_database_ships_no_database(module):
    shipped = {rooms.room_of(file) for file in rooms.shipped_with(f"plugins/modules/{module}.py")}
    assert not shipped & {"backends", "database", "command", "status"}


def test_a_module_that_needs_a_database_ships_it():
    assert {"backends", "database"} <= {rooms.room_of(file) for file in rooms.shipped_with("plugins/modules/relayers.py")}


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_is_a_docstring_and_hands_on_no_names(package):
    tree = ast.parse((CHECKOUT / package / "__init__.py").read_text(encoding="utf-8"))
    assert ast.get_docstring(tree)
    version = package.endswith("_vsmtprelay")
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module != "__future__"]
    assert version or len(tree.body) == 1
