# SPDX-License-Identifier: GPL-3.0-or-later
"""Say to an engine what the owner of this host can, with this host's own secret.

engine_client.py ENGINE PORT USER [SECRET [CA]] reads a JSON list of commands, each a list of texts (one character a byte), and
prints a JSON list of answers; an error is a dictionary. USER is "pub" or "sub" for this host's users, or any other user.
"""

import json
import sys

import redis

CONFIG = "/etc/vsmtprelay/share.json"
SECRET = "/etc/vsmtprelay/share-secret"


def main():
    engine, port, user, *more = sys.argv[1:]
    with open(CONFIG) as file:
        config = json.load(file)
    with open(SECRET) as file:
        secret = file.read().strip()
    if user in ("pub", "sub"):
        user = f"{config['host']}-{user}"
    connection = redis.connection.SSLConnection(
        host=engine,
        port=int(port),
        username=user,
        password=more[0] if more else secret,
        socket_timeout=20,
        ssl_cert_reqs="required",
        ssl_check_hostname=True,
        ssl_ca_certs=more[1] if len(more) > 1 else config["ca"],
    )
    answers = []
    try:
        connection.connect()
    except redis.RedisError as error:
        answers.append({"error": f"{type(error).__name__}: {error}"})
    else:
        answers = [ask(connection, [word.encode("latin-1") for word in command]) for command in json.load(sys.stdin)]
    print(json.dumps(answers))


def ask(connection, words):
    try:
        connection.send_command(*words)
        return plain(connection.read_response())
    except redis.RedisError as error:
        return {"error": f"{type(error).__name__}: {error}"}


def plain(answer):
    if isinstance(answer, bytes):
        return answer.decode("latin-1")
    if isinstance(answer, list):
        return [plain(each) for each in answer]
    return {"error": str(answer)} if isinstance(answer, Exception) else answer


if __name__ == "__main__":
    main()
