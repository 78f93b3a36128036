# SPDX-License-Identifier: GPL-3.0-or-later
"""All ways in which a login can go, as far as Dovecot's sources show ways on which the password is right."""

from __future__ import annotations

import dataclasses

from . import settings
from .mail_client import COMMANDS
from .settings import MASTER_SECRET, SECRET, Setting

# Why somebody is recorded whom Dovecot did not let in, or who showed no secret: by then Dovecot has not decided, and the
# recorder cannot know.
RIGHT_THEN_REFUSED = "password right; refused after that"
NO_PASSWORD = "the configuration requires no password"
# Why somebody is not recorded: the recorder asks about the account, not about the password that was used.
LOCKED_ELSEWHERE = "a passdb says that the account is locked"


@dataclasses.dataclass(frozen=True)
class Path:
    """One way: who logs in how, and what has to come of it.

    ``account`` describes the account or what else is special, ``proxy`` where the login is forwarded to. ``lets_in`` is
    what the client has to see, and ``there`` says that another host lets it in. ``has_secret`` is whether the client shows a
    secret that is right. ``recorded_since`` is the reason why it is recorded nevertheless, and ``missed_since`` why it is not.
    ``before`` is what the test does first.
    """

    setting: Setting
    account: str
    user: str
    lets_in: bool
    password: str = SECRET
    mechanism: str = COMMANDS
    proxy: str = ""
    there: bool = False
    has_secret: bool = True
    recorded_since: str = ""
    missed_since: str = ""
    before: str = ""
    tls: bool = False
    certificate: bool = False
    services: tuple[str, ...] = ("pop3", "imap")

    def __str__(self):
        return ", ".join(word for word in (self.setting.name, self.account, self.proxy, self.way) if word)

    @property
    def way(self):
        """How the client logs in, "" for the plain commands."""
        return f"{self.mechanism} over TLS".strip() if self.tls else self.mechanism

    @property
    def is_to_be_recorded(self):
        """Whether this host has to record it by the rule: whoever was let in here by a secret, and nobody else."""
        return self.lets_in and self.has_secret and not self.there

    @property
    def is_recorded(self):
        """The same, with the exceptions."""
        return bool(self.recorded_since) or (self.is_to_be_recorded and not self.missed_since)


FINE = "fine"
WRONG = "wrong password"
WRONG_SECRET = "wrong-secret"
ELSEWHERE = "to another host"
DOWN = "to a host that is down"
# Where Dovecot lets the client wait for seconds.
IMAP_ALONE = ("imap",)
FILE, PAM = settings.PASSWD_FILE, settings.PAM

PATHS = (
    # Mechanisms
    Path(FILE, FINE, "fine", True),
    Path(FILE, FINE, "fine", True, tls=True),
    Path(FILE, FINE, "fine", True, mechanism="PLAIN"),
    Path(FILE, FINE, "fine", True, mechanism="LOGIN"),
    Path(FILE, FINE, "fine", True, mechanism="CRAM-MD5"),
    Path(FILE, FINE, "fine", True, mechanism="SCRAM-SHA-256"),
    Path(FILE, WRONG, "fine", False, WRONG_SECRET, has_secret=False),
    Path(FILE, WRONG, "fine", False, WRONG_SECRET, mechanism="PLAIN", has_secret=False),
    Path(FILE, WRONG, "fine", False, WRONG_SECRET, mechanism="LOGIN", has_secret=False),
    Path(FILE, WRONG, "fine", False, WRONG_SECRET, mechanism="CRAM-MD5", has_secret=False),
    Path(FILE, WRONG, "fine", False, WRONG_SECRET, mechanism="SCRAM-SHA-256", has_secret=False),
    Path(FILE, "of everybody (`auth_anonymous_username`)", "", True, "", mechanism="ANONYMOUS", has_secret=False),
    # Account states
    Path(FILE, "unknown", "unknown", False, has_secret=False),
    Path(FILE, "`nologin`", "nologin", False),
    Path(FILE, "`nologin`", "nologin", False, mechanism="SCRAM-SHA-256"),
    Path(FILE, "`nologin=y`", "nologin-y", False),
    Path(FILE, "`nologin=yes`", "nologin-yes", False),
    Path(FILE, "`nologin=`", "nologin-empty", False),
    Path(FILE, "`nologin=y reason=…`", "nologin-reason", False),
    Path(FILE, "`allow_nets` without the client", "nets", False),
    Path(FILE, "`allow_nets` with the client", "nets-fine", True),
    Path(FILE, "in no userdb", "no-userdb", False),
    Path(FILE, "`nopassword`, any password", "no-password", True, WRONG_SECRET, has_secret=False, recorded_since=NO_PASSWORD),
    Path(FILE, "`delay_until`", "delayed", True),
    Path(FILE, "fine; its mailbox cannot be opened (`chroot`)", "chroot", False, recorded_since=RIGHT_THEN_REFUSED),
    Path(
        FILE,
        "fine; more sessions than `mail_max_userip_connections`",
        "fine",
        False,
        recorded_since=RIGHT_THEN_REFUSED,
        before="another session",
    ),
    Path(settings.POST_LOGIN, "fine; a post-login script refuses", "fine", False, recorded_since=RIGHT_THEN_REFUSED),
    Path(
        settings.ONE_PROCESS,
        "fine; more sessions than `process_limit`",
        "fine",
        False,
        recorded_since=RIGHT_THEN_REFUSED,
        before="a session from elsewhere",
        services=IMAP_ALONE,
    ),
    # Master users
    Path(FILE, "of a user, by a master user", "fine*boss", True, MASTER_SECRET),
    Path(FILE, "of a user, by a master user with a wrong password", "fine*boss", False, WRONG_SECRET, has_secret=False),
    Path(FILE, "`nologin`, by a master user", "nologin*boss", True, MASTER_SECRET, missed_since=LOCKED_ELSEWHERE),
    Path(FILE, "unknown, by a master user", "unknown*boss", False, MASTER_SECRET),
    Path(settings.MASTER_MUST_EXIST, "of a user, by a master user", "fine*boss", True, MASTER_SECRET),
    Path(settings.MASTER_MUST_EXIST, "`nologin`, by a master user", "nologin*boss", False, MASTER_SECRET),
    Path(settings.MASTER_MUST_EXIST, "unknown, by a master user", "unknown*boss", False, MASTER_SECRET),
    # Proxies
    Path(FILE, "`proxy`", "proxied", True, proxy=ELSEWHERE, there=True),
    Path(FILE, "`proxy=y`", "proxied-y", True, proxy=ELSEWHERE, there=True),
    Path(FILE, "`proxy=y`", "proxied-y", True, mechanism="PLAIN", proxy=ELSEWHERE, there=True),
    Path(FILE, "`proxy=y`, unknown to the other host", "proxied-unknown", False, proxy=ELSEWHERE, there=True),
    Path(FILE, "`proxy=y`", "proxied-down", False, proxy=DOWN, there=True, services=IMAP_ALONE),
    Path(FILE, "`proxy_maybe`", "maybe", True, proxy=ELSEWHERE, there=True),
    Path(FILE, "`proxy_maybe=y`", "maybe-y", True, proxy=ELSEWHERE, there=True),
    Path(FILE, "`proxy_maybe=y`", "maybe-here", True, proxy="to itself"),
    Path(FILE, "`host` alone", "host", True),
    Path(FILE, "`host` with `nologin` (referral)", "host-nologin", False),
    Path(settings.STATIC_PROXY, "known to the other host", "whoever", True, proxy=ELSEWHERE, there=True),
    Path(
        settings.STATIC_PROXY,
        "any, any password",
        "whoever",
        False,
        WRONG_SECRET,
        proxy=ELSEWHERE,
        there=True,
        has_secret=False,
    ),
    Path(
        settings.STATIC_PROXY_DOWN,
        "any, any password",
        "whoever",
        False,
        proxy=DOWN,
        there=True,
        has_secret=False,
        services=IMAP_ALONE,
    ),
    # Other passdbs, and chains of them
    Path(PAM, FINE, "alice", True, "alice-secret"),
    Path(PAM, FINE, "alice", True, "alice-secret", mechanism="PLAIN"),
    Path(PAM, WRONG, "alice", False, WRONG_SECRET, has_secret=False),
    Path(PAM, "unknown", "unknown", False, has_secret=False),
    Path(PAM, "locked (`usermod -L`)", "locked", False, "locked-secret"),
    Path(PAM, "expired (`chage -E 0`)", "expired", False, "expired-secret"),
    Path(settings.PAM_THEN_FILE, "fine, in PAM only", "carol", True, "carol-secret"),
    Path(settings.PAM_THEN_FILE, "fine, in passwd-file only", "fine", True),
    Path(settings.PAM_THEN_FILE, "`nologin` in passwd-file", "nologin", False),
    Path(
        settings.PAM_THEN_FILE,
        "fine in PAM, `nologin` in passwd-file",
        "alice",
        True,
        "alice-secret",
        missed_since=LOCKED_ELSEWHERE,
    ),
    Path(settings.RETURN_FAIL, "password right", "fine", False),
    Path(settings.CONTINUE, "password right in the first only", "fine", False),
    Path(settings.CONTINUE, "password right in both", "nets", True),
    Path(settings.CONTINUE_FAIL, "password right in the first only", "fine", False),
    Path(settings.DENY, FINE, "fine", True),
    Path(settings.DENY, "denied", "nets-fine", False),
    Path(settings.CACHE, FINE, "fine", True),
    Path(settings.CACHE, "fine, from the cache", "fine", True),
    Path(settings.CACHE, "`nologin`", "nologin", False),
    Path(settings.CACHE, "`nologin`, from the cache", "nologin", False),
    Path(settings.CACHE, "wrong password after a right one", "fine", False, WRONG_SECRET, has_secret=False),
    Path(settings.PREFETCH, FINE, "fine", True),
    Path(settings.PREFETCH, "`nologin`", "nologin", False),
    Path(settings.PREFETCH, "without userdb fields", "no-userdb", False, recorded_since=RIGHT_THEN_REFUSED),
    Path(settings.STATIC, "any, any password", "fine", True, WRONG_SECRET, has_secret=False, recorded_since=NO_PASSWORD),
    Path(settings.STATIC, "in no userdb, any password", "unknown", False, WRONG_SECRET, has_secret=False),
    Path(settings.CERTIFICATES, "a client certificate", "fine", True, "", mechanism="EXTERNAL", tls=True, certificate=True),
    Path(settings.CERTIFICATES, "no client certificate", "fine", False, "", mechanism="EXTERNAL", tls=True, has_secret=False),
    Path(settings.STATIC_LOCKED, "any, any password", "fine", False, WRONG_SECRET, has_secret=False),
)
