"""Exhaust cursors and zlib."""

from pymongo.cursor import CursorType
from pymongo.errors import PyMongoError

from support import Case


class Exhaust(Case):
    def test_an_exhaust_cursor_of_an_old_driver_is_refused(self):
        """This PyMongo asks for it with OP_QUERY, which MongoDB has not known since 5.1."""
        self.db.c.insert_one({})
        with self.assertRaises(PyMongoError):
            list(self.db.c.find({}, cursor_type=CursorType.EXHAUST))
        self.assertEqual(self.db.c.count_documents({}), 1)


class Zlib(Case):
    options = {"compressors": "zlib", "zlibCompressionLevel": 9}

    def test_compressed_messages(self):
        self.db.c.insert_many([{"_id": i, "s": "x" * 10_000} for i in range(500)])
        self.assertEqual(sum(len(d["s"]) for d in self.db.c.find()), 5_000_000)
