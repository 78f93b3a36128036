# SPDX-License-Identifier: GPL-3.0-or-later
"""Configurations of Dovecot, each as 2.3 (Debian 12) and 2.4 (Debian 13) spell it."""

from __future__ import annotations

SECRET = "right-secret"
MASTER_SECRET = "master-secret"
USERS = "/etc/dovecot/logins-users"
USERDB = "/etc/dovecot/logins-userdb"
OTHERS = "/etc/dovecot/logins-others"
MASTERS = "/etc/dovecot/logins-masters"
DENIED = "/etc/dovecot/logins-denied"
PREFETCHED = "/etc/dovecot/logins-prefetched"
REFUSING_SCRIPT = "/usr/local/bin/logins-refuse"
# In the passwd-files: all belong to alice, as far as the file system is concerned.
OWNER = ":1000:1000::/home/alice::"
IN_MAILDIR = {
    "bookworm": "userdb_mail=maildir:~/Maildir",
    "trixie": "userdb_mail_driver=maildir userdb_mail_path=~/Maildir userdb_mail_inbox_path=~/Maildir",
}


def database(release, kind, driver, file="", name="", fields=None, **settings):
    """Return a passdb or userdb: ``file`` is that of a passwd-file, ``fields`` those of a static one, ``settings`` all else."""
    lines = [f"{key} = {value}" for key, value in settings.items()]
    if release == "bookworm":
        arguments = file or " ".join(f"{key}={value}" for key, value in (fields or {}).items())
        lines += [f"driver = {driver}", *([f"args = {arguments}"] if arguments else [])]
        head = kind
    else:
        lines += [f"driver = {driver}", *([f"passwd_file_path = {file}"] if file else [])]
        if fields:
            lines += ["fields {", *(f"  {key} = {value}" for key, value in fields.items()), "}"]
        head = f"{kind} {name or driver}"
    return "\n".join([f"{head} {{", *(f"  {line}" for line in lines), "}", ""])


def passwd_file(release, file=USERS, name="", **settings):
    return database(release, "passdb", "passwd-file", file, name, **settings)


def static(release, **fields):
    return database(release, "passdb", "static", fields=fields)


def userdb(release, file=USERDB):
    return database(release, "userdb", "passwd-file", file)


def pam(release):
    return database(release, "passdb", "pam")


def passwd(release):
    return database(release, "userdb", "passwd")


def post_login(release):
    """Return services that run a program before each session; it refuses."""
    return "".join(
        f"service {service} {{\n  executable = {service} {service}-postlogin\n}}\n"
        f"service {service}-postlogin {{\n  executable = script-login {REFUSING_SCRIPT}\n  user = root\n"
        f"  unix_listener {service}-postlogin {{\n  }}\n}}\n"
        for service in ("imap", "pop3")
    )


def one_process(release):
    return "".join(f"service {service} {{\n  process_limit = 1\n}}\n" for service in ("imap", "pop3"))


MECHANISMS = "plain login cram-md5 scram-sha-256 anonymous"
PASSWORDS_ONLY = "plain login"


class Setting:
    """A configuration by its ``name``, which the table shows as the passdb of its paths.

    ``in_order`` is whether one login has to end before the next one begins. ``needs_run`` is whether the role has to see it.
    """

    def __init__(self, name, make, mechanisms=PASSWORDS_ONLY, in_order=False, needs_run=False):
        self.name = name
        self.in_order = in_order
        self.needs_run = needs_run
        self._make = make
        self._mechanisms = mechanisms

    def text(self, release, address, other):
        """Return the file for a host with this ``address``; ``other`` is the address to which it forwards logins."""
        return (
            f"listen = {address}, ::\nauth_mechanisms = {self._mechanisms}\n"
            # Those who are refused need not wait here.
            "auth_failure_delay = 0\nauth_master_user_separator = *\nmail_max_userip_connections = 1\n"
            + self._make(release, other)
        )


PASSWD_FILE = Setting(
    "passwd-file",
    lambda release, other: passwd_file(release, MASTERS, "masters", master="yes") + passwd_file(release) + userdb(release),
    MECHANISMS,
)
MASTER_MUST_EXIST = Setting(
    "passwd-file; a master user's target must exist there (`result_success = continue`)",
    lambda release, other: (
        passwd_file(release, MASTERS, "masters", master="yes", result_success="continue")
        + passwd_file(release)
        + userdb(release)
    ),
)
PAM = Setting("PAM", lambda release, other: pam(release) + passwd(release))
PAM_THEN_FILE = Setting(
    "PAM, then passwd-file",
    lambda release, other: pam(release) + passwd_file(release) + userdb(release) + passwd(release),
)
RETURN_FAIL = Setting(
    "passwd-file, `result_success = return-fail`",
    lambda release, other: passwd_file(release, result_success="return-fail") + userdb(release),
)
CONTINUE = Setting(
    "passwd-file, `result_success = continue`, then another one",
    lambda release, other: (
        passwd_file(release, result_success="continue") + passwd_file(release, OTHERS, "others") + userdb(release)
    ),
)
CONTINUE_FAIL = Setting(
    "passwd-file, `result_success = continue-fail`, then another one",
    lambda release, other: (
        passwd_file(release, result_success="continue-fail") + passwd_file(release, OTHERS, "others") + userdb(release)
    ),
)
DENY = Setting(
    "a passdb with `deny = yes`, then passwd-file",
    lambda release, other: passwd_file(release, DENIED, "denied", deny="yes") + passwd_file(release) + userdb(release),
)
CACHE = Setting(
    "passwd-file with `auth_cache_size`",
    lambda release, other: "auth_cache_size = 1M\n" + passwd_file(release) + userdb(release),
    in_order=True,
)
PREFETCH = Setting(
    "passwd-file with a prefetch userdb",
    lambda release, other: passwd_file(release, PREFETCHED) + database(release, "userdb", "prefetch"),
    # The auth process of Dovecot 2.4.1 dies of being asked about the userdb then, so the role has the recorder not ask.
    needs_run=True,
)
STATIC = Setting("static, `nopassword`", lambda release, other: static(release, nopassword="yes") + userdb(release))
CERTIFICATE = "/etc/dovecot/logins-certificate.pem"


def certificates(release):
    """Return settings with which the name of a user comes from the certificate of the client."""
    if release == "bookworm":
        verify = f"ssl_ca = <{CERTIFICATE}\nssl_verify_client_cert = yes\nssl_require_crl = no\n"
    else:
        verify = f"ssl_server_ca_file = {CERTIFICATE}\nssl_server_request_client_cert = yes\nssl_server_require_crl = no\n"
    return f"{verify}auth_ssl_username_from_cert = yes\n{static(release, nopassword='yes')}{userdb(release)}"


CERTIFICATES = Setting("static, `nopassword`", lambda release, other: certificates(release), "external")
STATIC_LOCKED = Setting(
    "static, `nopassword`, `nologin`", lambda release, other: static(release, nopassword="yes", nologin="yes") + userdb(release)
)
STATIC_PROXY = Setting(
    "static, `nopassword`",
    lambda release, other: static(release, nopassword="yes", proxy="yes", host=other) + userdb(release),
)
STATIC_PROXY_DOWN = Setting(
    "static, `nopassword`",
    lambda release, other: static(release, nopassword="yes", proxy="yes", host=other, port="1") + userdb(release),
)
HAPROXY_PORT = 10143
HAPROXY = Setting(
    "passwd-file",
    lambda release, other: (
        f"service imap-login {{\n  inet_listener imap_haproxy {{\n    port = {HAPROXY_PORT}\n    haproxy = yes\n  }}\n}}\n"
        f"haproxy_trusted_networks = 198.18.0.0/16\n{passwd_file(release)}{userdb(release)}"
    ),
)
POLICY_PORT = 4001


def pam_by_service(release):
    """Return a PAM passdb whose files in /etc/pam.d are named after the service, and another policy server than ours."""
    if release == "bookworm":
        passdb = "passdb {\n  driver = pam\n  args = *\n}\n"
    else:
        passdb = "passdb pam {\n  service_name = %{protocol}\n}\n"
    return f"auth_policy_server_url = http://127.0.0.1:{POLICY_PORT}/\nauth_policy_hash_nonce = nonce\n{passdb}"


PAM_BY_SERVICE = Setting("PAM", lambda release, other: pam_by_service(release) + passwd(release))
POST_LOGIN = Setting("passwd-file", lambda release, other: post_login(release) + passwd_file(release) + userdb(release))
ONE_PROCESS = Setting("passwd-file", lambda release, other: one_process(release) + passwd_file(release) + userdb(release))


def files(release, address, other):
    """Return file name → text of the databases of accounts, for a host with this ``address``."""
    maildir = IN_MAILDIR[release]
    passdb_fields = {
        "fine": "",
        "nologin": "nologin",
        "nologin-y": "nologin=y",
        "nologin-yes": "nologin=yes",
        "nologin-empty": "nologin=",
        "nologin-reason": "nologin=y reason=Locked",
        "nets": "allow_nets=10.0.0.0/8",
        "nets-fine": "allow_nets=198.18.0.0/15",
        "no-userdb": "",
        "chroot": "",
        "anonymous": "",
        "bob": "nologin",
        "alice": "nologin",
        "proxied": f"proxy host={other}",
        "proxied-y": f"proxy=y host={other}",
        "proxied-unknown": f"proxy=y host={other}",
        "proxied-down": f"proxy=y host={other} port=1",
        "maybe": f"proxy_maybe host={other}",
        "maybe-y": f"proxy_maybe=y host={other}",
        "maybe-here": f"proxy_maybe=y host={address}",
        "host": f"host={other}",
        "host-nologin": f"nologin host={other}",
        "delayed": "delay_until=1",
    }
    users = "".join(f"{name}:{{PLAIN}}{SECRET}{OWNER}{more}\n" for name, more in passdb_fields.items())
    users += f"no-password:{OWNER}nopassword\n"
    userdb = "".join(
        f"{name}:x{OWNER}{maildir}\n" for name in (*passdb_fields, "no-password") if name not in ("no-userdb", "chroot")
    )
    userdb += f"chroot:x{OWNER}{maildir} userdb_chroot=/nonexistent\n"
    prefetch = f"userdb_uid=1000 userdb_gid=1000 userdb_home=/home/alice {maildir}"
    return {
        USERS: users,
        USERDB: userdb,
        OTHERS: f"nets:{{PLAIN}}{SECRET}{OWNER}\nnologin-y:{{PLAIN}}{SECRET}{OWNER}\n",
        MASTERS: f"boss:{{PLAIN}}{MASTER_SECRET}\n",
        DENIED: "nets-fine:\n",
        PREFETCHED: (
            f"fine:{{PLAIN}}{SECRET}::::::{prefetch}\nnologin:{{PLAIN}}{SECRET}::::::nologin {prefetch}\n"
            f"no-userdb:{{PLAIN}}{SECRET}::::::\n"
        ),
        REFUSING_SCRIPT: "#!/bin/sh\nexit 1\n",
    }


def second_instance(release, address, proxies):
    """Return dovecot.conf of a second instance on ``address``, which trusts what ``proxies`` say about their clients.

    It knows the account of each user whose logins are forwarded to it, and one that is locked there only."""
    common = (
        f"protocols = imap pop3\nlisten = {address}\nbase_dir = /run/dovecot2\ninstance_name = second\nssl = no\n"
        f"auth_mechanisms = plain\nlogin_trusted_networks = {proxies}\nauth_failure_delay = 0\n"
    )
    if release == "bookworm":
        head = "disable_plaintext_auth = no\n"
    else:
        head, common = (
            "dovecot_config_version = 2.4.0\ndovecot_storage_version = 2.4.0\n",
            common + "auth_allow_cleartext = yes\n",
        )
    databases = passwd_file(release, "/etc/dovecot2/users") + userdb(release, "/etc/dovecot2/users")
    return f"{head}{common}{databases}!include /etc/dovecot2/95-vsmtprelay.conf\n"


def second_users(release):
    names = ("proxied", "proxied-y", "maybe", "maybe-y", "host", "whoever")
    locked = f"fine:{{PLAIN}}{SECRET}{OWNER}nologin {IN_MAILDIR[release]}\n"
    return locked + "".join(f"{name}:{{PLAIN}}{SECRET}{OWNER}{IN_MAILDIR[release]}\n" for name in names)
