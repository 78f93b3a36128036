# SPDX-License-Identifier: GPL-3.0-or-later
"""Logins of this host, published to the engine as the sharer does; the sharer has to be stopped meanwhile.

``publish.py RESULT RATE AT_ONCE SECONDS`` publishes RATE logins a second, AT_ONCE of them in a transaction, each of an address
of its own; it writes address → epoch seconds of the publication to RESULT as JSON.
"""

import json
import sys
import time

import redis

CONFIG = "/etc/vsmtprelay/share.json"
SECRET = "/etc/vsmtprelay/share-secret"
WINDOW_MS = 86_400_000


def main():
    result, rate, at_once, seconds = sys.argv[1], *map(float, sys.argv[2:5])
    with open(CONFIG) as file:
        config = json.load(file)
    with open(SECRET) as file:
        secret = file.read().strip()
    prefix = f"vsmtprelay:1:{config['host']}"
    engine = config["engines"][0]
    client = redis.Redis(
        host=engine["host"],
        port=engine["port"],
        username=f"{config['host']}-pub",
        password=secret,
        ssl=True,
        ssl_cert_reqs="required",
        ssl_check_hostname=True,
        ssl_ca_certs=config["ca"],
    )
    last = client.xrevrange(f"{prefix}:stream", count=1)
    number = int(last[0][1][b"n"]) if last else 0
    sequence = int(last[0][1][b"s"]) if last else 0
    (server,) = config["servers"]
    published, begin = {}, time.monotonic()
    first = number
    while (due := begin + (number - first) / rate) < begin + seconds:
        time.sleep(max(0.0, due - time.monotonic()))
        now = int(time.time() * 1000)
        pipe = client.pipeline(transaction=True)
        pipe.xrevrange(f"{prefix}:stream", count=1)
        for _ in range(int(at_once)):
            number, sequence = number + 1, sequence + 1
            key = f"240.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
            fields = {"v": server, "k": key, "l": now, "r": 0, "e": 0, "n": number, "s": sequence}
            pipe.xadd(f"{prefix}:stream", fields, maxlen=20_000, approximate=True)
            pipe.zadd(f"{prefix}:logins", {f"{server} {key}": now})
            published[key] = now / 1000
        for kind in ("logins", "revoked"):
            pipe.zremrangebyscore(f"{prefix}:{kind}", "-inf", now - WINDOW_MS)
        for kind in ("stream", "logins", "revoked"):
            pipe.pexpire(f"{prefix}:{kind}", WINDOW_MS)
        pipe.execute()
    with open(result, "w") as file:
        json.dump(published, file)


if __name__ == "__main__":
    main()
