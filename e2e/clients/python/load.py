"""Writers of a load, see load_test.go: write until the input ends and tell what was acknowledged."""

import os
import sys
import threading

import pymongo
from pymongo.errors import ConnectionFailure, PyMongoError

ACCOUNTS = 5
BROKEN = ("RetryableWriteError", "UnknownTransactionCommitResult", "TransientTransactionError")

client = pymongo.MongoClient(os.environ["TINE_URI"])
db = client.bank
stopped = threading.Event()
failed = []


def bump(name, _from, _to):
    db.bumped.update_one({"_id": name}, {"$inc": {"n": 1}}, upsert=True)


def add(name, _from, _to):
    db.added.insert_one({"name": name})


def transfer(name, source, target):
    def move(session):
        db.accounts.update_one({"_id": source}, {"$inc": {"n": -1}}, session=session)
        db.accounts.update_one({"_id": target}, {"$inc": {"n": 1}}, session=session)
        db.ledger.insert_one({"name": name, "from": source, "to": target}, session=session)

    with client.start_session() as session:
        session.with_transaction(move)


def say(*words):
    # One write, so that the lines of threads do not mix.
    sys.stdout.write(" ".join(map(str, words)).replace("\n", " ") + "\n")
    sys.stdout.flush()


def write(w):
    n = 0
    while not stopped.is_set():
        for kind in (bump, add, transfer):
            name = f"python-{w}-{n}"
            try:
                kind(name, (w + n) % ACCOUNTS, (w + n + 1 + n % 3) % ACCOUNTS)
            except PyMongoError as err:
                if not isinstance(err, ConnectionFailure) and not any(map(err.has_error_label, BROKEN)):
                    raise
                say("unknown", kind.__name__, name, type(err).__name__, err)
            else:
                say("ok", kind.__name__, name)
        n += 1


def writer(w):
    try:
        write(w)
    except BaseException as err:
        failed.append(err)
        raise


threads = [threading.Thread(target=writer, args=(w,)) for w in range(2)]
for thread in threads:
    thread.start()
sys.stdin.read()
stopped.set()
for thread in threads:
    thread.join()
client.close()
sys.exit(bool(failed))
