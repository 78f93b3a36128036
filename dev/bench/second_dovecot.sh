#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Runs in a guest: starts a second Dovecot, which reports no logins and is otherwise configured as the first, and adds USERS
# users with the password PASSWORD for both. $1 is its POP3 port, $2 the network of the clients, $3 the way there.
set -eu
for number in $(seq "$USERS"); do useradd --create-home "u$number"; done
# A hash that is checked at once: Debian's own takes ten times as long as all the rest of a login, and would hide it.
hash=$(openssl passwd -1 "$PASSWORD")
for number in $(seq "$USERS"); do echo "u$number:$hash"; done | chpasswd --encrypted

cp -a /etc/dovecot /etc/dovecot-without
rm /etc/dovecot-without/conf.d/95-vsmtprelay.conf
cat > /etc/dovecot-without/conf.d/99-bench.conf <<END
base_dir = /run/dovecot-without
service pop3-login {
  inet_listener pop3 {
    port = $1
  }
  inet_listener pop3s {
    port = 0
  }
}
service imap-login {
  inet_listener imap {
    port = 0
  }
  inet_listener imaps {
    port = 0
  }
}
END
# It keeps what it is started with open, and whoever reads from there would wait for its end.
dovecot -c /etc/dovecot-without/dovecot.conf > /dev/null 2>&1
ip route replace "$2" via "$3"
