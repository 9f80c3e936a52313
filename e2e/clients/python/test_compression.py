"""PyMongo with zlib, the compressor that Debian's has without further packages."""

from support import Case


class Zlib(Case):
    options = {"compressors": "zlib", "zlibCompressionLevel": 9}

    def test_long_messages_come_back(self):
        text = "tine" * 100_000
        self.db.c.insert_many([{"_id": i, "s": text} for i in range(20)])
        self.assertEqual([d["s"] == text for d in self.db.c.find(batch_size=3)], [True] * 20)
