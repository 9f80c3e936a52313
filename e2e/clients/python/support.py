"""What the suites share. The cluster is in TINE_URI."""

import os
import unittest
import uuid

import pymongo
from pymongo import errors

URI = os.environ["TINE_URI"]


class Case(unittest.TestCase):
    """Has a client and a database of its own."""

    options = {}

    def setUp(self):
        self.client = pymongo.MongoClient(URI, **self.options)
        self.addCleanup(self.client.close)
        self.db = self.client["t" + uuid.uuid4().hex]

    def fails(self, code):
        """The block must fail with this code of MongoDB's."""
        return _Fails(self, code)

    def known(self, feature):
        """The block is a case that MongoDB passes and Tine does not; it fails when it starts passing."""
        return _Known(self, feature)


class _Fails:
    def __init__(self, case, code):
        self.case, self.code = case, code

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if kind is not None and not isinstance(error, errors.OperationFailure):
            return False
        self.error = error
        self.case.assertIsNotNone(error, f"nothing failed, want code {self.code}")
        self.case.assertEqual(error.code, self.code, str(error))
        return True


class _Known:
    def __init__(self, case, feature):
        self.case, self.feature = case, feature

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if kind is None:
            self.case.fail(f"{self.feature} works now: remove the mark and its row in docs/compatibility.md")
        return isinstance(error, Exception)
