#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Runs as mmdebstrap's customize hook, on the host: $1 is the image's root directory; $RELEASE and
# $DOWNLOADS come in through the environment. Turns a bare set of packages into an ordinary mail
# host and leaves the packages that the role and the tests will install as a local package source.
set -eu
root=$1

# Only fetched. apt runs outside the image, with mmdebstrap's configuration.
mkdir -p "$root/srv/packages/partial"
# shellcheck disable=SC2086 # a list of package names
APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get install --yes --quiet --download-only --reinstall \
    --no-install-recommends --option "Dir::Cache::archives=$root/srv/packages/" $DOWNLOADS
rm -rf "$root/srv/packages/partial" "$root/srv/packages/lock"
cd "$root/srv/packages"
# An epoch's colon is escaped in the file name, and apt would unescape it when it looks for the file.
for package in *%3a*; do
    [ ! -e "$package" ] || mv "$package" "$(echo "$package" | sed 's/_[0-9]*%3a/_/')"
done
apt-ftparchive packages . > Packages
apt-ftparchive release . > Release
chmod -R a+rX .
rm -rf "$root"/etc/apt/sources.list.d/* "$root"/var/lib/apt/lists/* "$root/etc/apt/apt.conf.d/99mmdebstrap"
echo 'deb [trusted=yes] file:/srv/packages ./' > "$root/etc/apt/sources.list"

cat > "$root/etc/hosts" <<END
127.0.0.1 localhost
::1 localhost ip6-localhost ip6-loopback
END
: > "$root/etc/resolv.conf"
chmod 644 "$root/etc/resolv.conf"
rm -f "$root/etc/hostname"
echo example.test > "$root/etc/mailname"

chroot "$root" env LC_ALL=C DEBIAN_FRONTEND=noninteractive sh -eu <<'END'
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
apt-get update --quiet

for user in alice bob; do
    useradd --create-home --shell /bin/bash "$user"
    echo "$user:$user-secret" | chpasswd
done
# For su. sshd takes keys alone from root.
echo root:root-secret | chpasswd

# sendmail: listen on every address, as the comment in Debian's file says (an IPv6 socket serves
# both families, a second one for IPv4 could not be bound); the rest stays as Debian ships it.
sed -i \
    -e "s/^dnl \(DAEMON_OPTIONS(\`Family=inet6, Name=MTA-v6, Port=smtp\), Addr=::1')dnl/\1, Addr=::')dnl/" \
    -e "s/^DAEMON_OPTIONS(\`Family=inet,  Name=MTA-v4, Port=smtp,/dnl &/" \
    /etc/mail/sendmail.mc
grep -q "^DAEMON_OPTIONS.*Name=MTA-v6, Port=smtp, Addr=::')dnl" /etc/mail/sendmail.mc
! grep -q "^DAEMON_OPTIONS.*Name=MTA-v4" /etc/mail/sendmail.mc
# Debian's access file refuses the documentation network, in which all of our clients live.
sed -i '/^Connect:192\.0\.2[[:space:]]/d' /etc/mail/access
echo example.test >> /etc/mail/local-host-names
# There is no name server: without this, every client's reverse lookup would be a temporary failure.
sed -i 's/^hosts:.*/hosts: files/' /etc/nsswitch.conf
make -C /etc/mail
printf 'mailer-daemon: postmaster\npostmaster: root\nnobody: root\nwww: root\nabuse: root\n' >> /etc/aliases
newaliases

# Dovecot: passwords may cross the (isolated) wire in the clear.
auth=/etc/dovecot/conf.d/10-auth.conf
sed -i -e 's/^#disable_plaintext_auth = yes/disable_plaintext_auth = no/' \
    -e 's/^#auth_allow_cleartext = .*/auth_allow_cleartext = yes/' $auth
grep -q '^disable_plaintext_auth = no\|^auth_allow_cleartext = yes' $auth

systemctl enable ssh.service cron.service dovecot.service sendmail.service
systemctl mask apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer e2scrub_reap.service \
    fstrim.timer dpkg-db-backup.timer man-db.timer console-getty.service getty.target \
    systemd-networkd.service systemd-networkd-wait-online.service systemd-resolved.service \
    systemd-timesyncd.service systemd-pcrphase.service
rm -rf /tmp/* /var/tmp/*
END
