#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Runs as mmdebstrap's customize hook, on the host: $1 is the image's root directory. Turns a bare
# set of packages into the files of a computer that somebody reads mail with.
set -eu
root=$1
chroot "$root" useradd --create-home --shell /bin/bash user
# There is no name server: without this, each name would be asked for in vain.
sed -i 's/^hosts:.*/hosts: files/' "$root/etc/nsswitch.conf"
# A file to be mounted over.
: > "$root/etc/hosts"
chmod 644 "$root/etc/hosts"
rm -rf "$root"/var/lib/apt/lists/* "$root"/tmp/* "$root"/var/tmp/*
