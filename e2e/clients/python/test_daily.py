"""CRUD, bulk writes, indexes and GridFS with Debian's PyMongo, a driver of 2020."""

import datetime

import bson
import gridfs
import pymongo
from pymongo import InsertOne, ReplaceOne, UpdateMany, UpdateOne, DeleteOne
from pymongo.errors import BulkWriteError

from support import Case


class Crud(Case):
    def test_insert_find_update_delete(self):
        c = self.db.c
        ids = c.insert_many([{"_id": i, "n": i % 3} for i in range(2000)]).inserted_ids
        self.assertEqual(len(ids), 2000)
        self.assertEqual(c.count_documents({"n": 1}), 667)
        self.assertEqual(c.estimated_document_count(), 2000)
        self.assertEqual(len(list(c.find({}, batch_size=100))), 2000)
        self.assertEqual([d["_id"] for d in c.find().sort("_id", pymongo.DESCENDING).skip(1).limit(2)], [1998, 1997])
        self.assertEqual(c.update_many({"n": 0}, {"$set": {"x": 1}}).modified_count, 667)
        self.assertEqual(c.find_one_and_update({"_id": 1}, {"$inc": {"n": 1}}, return_document=True)["n"], 2)
        self.assertEqual(c.find_one_and_delete({"_id": 1})["_id"], 1)
        self.assertEqual(c.replace_one({"_id": "new"}, {"a": 1}, upsert=True).upserted_id, "new")
        self.assertEqual(c.delete_many({"n": 2}).deleted_count, 666)
        self.assertEqual(sorted(c.distinct("n")), [0, 1])
        with self.fails(11000):
            c.insert_one({"_id": 0})

    def test_types(self):
        doc = {
            "_id": bson.ObjectId(), "at": datetime.datetime(2020, 2, 29, 12), "long": bson.Int64(2**62), "b": b"\0\1",
            "d": bson.Decimal128("1.50"), "none": None, "list": [1, 2.5, "x", {"y": []}], "re": bson.Regex("a.*", "i"),
        }
        self.db.c.insert_one(doc)
        self.assertEqual(self.db.c.find_one(), doc)

    def test_bulk(self):
        result = self.db.c.bulk_write([
            InsertOne({"_id": 1}), UpdateOne({"_id": 1}, {"$set": {"a": 1}}), UpdateMany({}, {"$inc": {"n": 1}}),
            ReplaceOne({"_id": 2}, {"b": 1}, upsert=True), DeleteOne({"_id": 1}),
        ])
        self.assertEqual((result.inserted_count, result.modified_count, result.upserted_count, result.deleted_count), (1, 2, 1, 1))
        with self.assertRaises(BulkWriteError) as raised:
            self.db.c.bulk_write([InsertOne({"_id": 2}), InsertOne({"_id": 3})], ordered=False)
        self.assertEqual(raised.exception.details["nInserted"], 1)
        self.assertEqual(raised.exception.details["writeErrors"][0]["code"], 11000)

    def test_aggregate(self):
        self.db.c.insert_many([{"n": i % 4} for i in range(40)])
        got = list(self.db.c.aggregate([{"$group": {"_id": "$n", "c": {"$sum": 1}}}, {"$sort": {"_id": 1}}]))
        self.assertEqual(got, [{"_id": i, "c": 10} for i in range(4)])

    def test_indexes(self):
        c = self.db.c
        self.assertEqual(c.create_index([("a", 1), ("b", -1)], unique=True), "a_1_b_-1")
        self.assertEqual(list(c.index_information()), ["_id_", "a_1_b_-1"])
        c.insert_one({"a": 1, "b": 1})
        with self.fails(11000):
            c.insert_one({"a": 1, "b": 1})
        c.drop_index("a_1_b_-1")
        self.assertEqual(self.db.list_collection_names(), ["c"])
        self.client.drop_database(self.db.name)
        self.assertNotIn(self.db.name, self.client.list_database_names())

    def test_sessions(self):
        with self.client.start_session(causal_consistency=True) as session:
            self.db.c.insert_one({"_id": 1}, session=session)
            self.assertEqual(self.db.c.find_one(session=session), {"_id": 1})


class GridFS(Case):
    def test_a_file_comes_back(self):
        data = bytes(range(256)) * 4096
        fs = gridfs.GridFS(self.db)
        file_id = fs.put(data, filename="f", chunk_size=100_000)
        self.assertEqual(fs.get(file_id).read(), data)
        self.assertEqual(fs.get_last_version("f").length, len(data))
        fs.delete(file_id)
        self.assertFalse(fs.exists(file_id))
        self.assertEqual(self.db["fs.chunks"].count_documents({}), 0)
