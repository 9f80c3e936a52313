// Writes of every kind, and what they answer.
import assert from 'node:assert/strict';
import test from 'node:test';
import { BSON, Binary, Decimal128, Double, Int32, Long, MaxKey, MinKey, ObjectId, Timestamp, UUID } from 'mongodb';
import { database, numbered, rejects } from './helpers.mjs';

const MiB = 1024 * 1024;

test('insertMany of 10,000 documents', async (t) => {
  const { db } = await database(t);
  const c = db.collection('c');
  const result = await c.insertMany(numbered(10_000));
  assert.equal(result.insertedCount, 10_000);
  assert.equal(await c.countDocuments(), 10_000);
  assert.equal(await c.estimatedDocumentCount(), 10_000);
  assert.equal(await c.countDocuments({ n: 3 }), 1000);
  assert.equal(await c.countDocuments({ n: 3 }, { limit: 7, skip: 1 }), 7);
  assert.deepEqual((await c.distinct('n', { n: { $lt: 3 } })).sort(), [0, 1, 2]);
});

test('all types of BSON come back as they were', async (t) => {
  const { db } = await database(t);
  const doc = {
    _id: new ObjectId(), string: 'äöü €\u0000x', int: new Int32(-1), long: Long.MAX_VALUE, double: new Double(1.0), decimal: Decimal128.fromString('1.10'),
    bool: true, null: null, date: new Date(-1), regex: /a.*b/i, binary: new Binary(Buffer.from([0, 255])), uuid: new UUID(),
    timestamp: new Timestamp({ t: 1, i: 2 }), min: new MinKey(), max: new MaxKey(), array: [1, [2, []], {}], nested: { a: { b: {} } }, '': 'empty',
  };
  await db.collection('c').insertOne(doc);
  const raw = await db.collection('c').findOne({}, { raw: true });
  assert.deepEqual(Buffer.from(raw), Buffer.from(BSON.serialize(doc)));
});

test('ordered bulkWrite stops at the first error', async (t) => {
  const { db } = await database(t);
  const c = db.collection('c');
  await c.insertOne({ _id: 1 });
  const err = await rejects(c.bulkWrite([
    { insertOne: { document: { _id: 2 } } },
    { insertOne: { document: { _id: 1 } } },
    { insertOne: { document: { _id: 3 } } },
  ]), 11000, /E11000|[Dd]uplicate key/);
  assert.equal(err.result.insertedCount, 1);
  assert.equal(err.writeErrors.length, 1);
  assert.equal(err.writeErrors[0].index, 1);
  assert.equal(await c.countDocuments(), 2);
});

test('unordered bulkWrite goes on after errors', async (t) => {
  const { db } = await database(t);
  const c = db.collection('c');
  await c.insertMany([{ _id: 1 }, { _id: 2 }]);
  const err = await rejects(c.bulkWrite([
    { insertOne: { document: { _id: 1 } } },
    { insertOne: { document: { _id: 3 } } },
    { updateOne: { filter: { _id: 3 }, update: { $set: { a: 1 } } } },
    { updateOne: { filter: { _id: 9 }, update: { $set: { a: 1 } }, upsert: true } },
    { insertOne: { document: { _id: 2 } } },
    { updateMany: { filter: {}, update: { $inc: { n: 1 } } } },
    { replaceOne: { filter: { _id: 2 }, replacement: { b: 1 } } },
    { deleteOne: { filter: { _id: 1 } } },
    { deleteMany: { filter: { _id: { $gt: 100 } } } },
  ], { ordered: false }), 11000);
  assert.deepEqual(err.writeErrors.map((e) => e.index).sort(), [0, 4]);
  assert.equal(err.result.insertedCount, 1);
  assert.equal(err.result.upsertedCount, 1);
  assert.equal(err.result.deletedCount, 1);
  assert.deepEqual(await c.find().sort({ _id: 1 }).toArray(), [{ _id: 2, b: 1 }, { _id: 3, a: 1, n: 1 }, { _id: 9, a: 1, n: 1 }]);
});

test('updates say what they matched, modified and upserted', async (t) => {
  const { db } = await database(t);
  const c = db.collection('c');
  await c.insertMany(numbered(10));
  let r = await c.updateMany({ _id: { $lt: 5 } }, { $set: { n: 0 } });
  assert.deepEqual([r.matchedCount, r.modifiedCount, r.upsertedCount], [5, 4, 0]);
  r = await c.updateOne({ _id: 'new' }, { $set: { a: 1 }, $setOnInsert: { b: 2 } }, { upsert: true });
  assert.deepEqual([r.matchedCount, r.upsertedCount, r.upsertedId], [0, 1, 'new']);
  assert.deepEqual(await c.findOne({ _id: 'new' }), { _id: 'new', a: 1, b: 2 });
  r = await c.replaceOne({ _id: 'new' }, { c: 3 });
  assert.equal(r.modifiedCount, 1);
  assert.deepEqual(await c.findOne({ _id: 'new' }), { _id: 'new', c: 3 });
  r = await c.deleteMany({ _id: { $lt: 5 } });
  assert.equal(r.deletedCount, 5);
  r = await c.updateOne({ absent: 1 }, { $set: { a: 1 } });
  assert.deepEqual([r.matchedCount, r.modifiedCount], [0, 0]);
});

test('update operators, arrayFilters, positional and pipeline updates', async (t) => {
  const { db } = await database(t);
  const c = db.collection('c');
  await c.insertOne({ _id: 1, grades: [{ g: 80, m: 1 }, { g: 95, m: 2 }, { g: 60, m: 3 }], tags: ['a'], n: 1 });
  await c.updateOne({ _id: 1 }, { $set: { 'grades.$[low].m': 0 } }, { arrayFilters: [{ 'low.g': { $lt: 90 } }] });
  await c.updateOne({ _id: 1, 'grades.g': 95 }, { $inc: { 'grades.$.m': 10 } });
  await c.updateOne({ _id: 1 }, { $addToSet: { tags: { $each: ['a', 'b', 'c'] } }, $mul: { n: 6 }, $currentDate: { at: true } });
  await c.updateOne({ _id: 1 }, { $pull: { tags: 'b' }, $push: { grades: { $each: [{ g: 1 }], $position: 0, $slice: 3 } }, $rename: { n: 'number' } });
  await c.updateOne({ _id: 1 }, [{ $set: { total: { $sum: '$grades.g' }, at: { $type: '$at' } } }, { $unset: 'nothing' }]);
  assert.deepEqual(await c.findOne(), { _id: 1, grades: [{ g: 1 }, { g: 80, m: 0 }, { g: 95, m: 12 }], tags: ['a', 'c'], at: 'date', number: 6, total: 176 });
});

test('findOneAnd*', async (t) => {
  const { db } = await database(t);
  const c = db.collection('c');
  await c.insertMany(numbered(3));
  assert.equal((await c.findOneAndUpdate({ _id: 0 }, { $inc: { n: 5 } })).n, 0);
  assert.equal((await c.findOneAndUpdate({ _id: 0 }, { $inc: { n: 5 } }, { returnDocument: 'after' })).n, 10);
  assert.deepEqual(await c.findOneAndUpdate({ _id: 0 }, { $set: { n: 0 } }, { projection: { n: 1, _id: 0 }, returnDocument: 'after' }), { n: 0 });
  assert.equal((await c.findOneAndUpdate({}, { $set: { x: 1 } }, { sort: { _id: -1 } }))._id, 2);
  assert.equal((await c.findOneAndReplace({ _id: 1 }, { r: 1 }, { returnDocument: 'after' })).r, 1);
  assert.deepEqual(await c.findOneAndUpdate({ _id: 7 }, { $set: { a: 1 } }, { upsert: true, returnDocument: 'after' }), { _id: 7, a: 1 });
  assert.equal(await c.findOneAndUpdate({ _id: 8 }, { $set: { a: 1 } }), null);
  assert.equal((await c.findOneAndDelete({ _id: 7 }))._id, 7);
  assert.equal(await c.findOneAndDelete({ _id: 7 }), null);
  const full = await c.findOneAndUpdate({ _id: 9 }, { $set: { a: 1 } }, { upsert: true, includeResultMetadata: true });
  assert.deepEqual([full.value, full.lastErrorObject.updatedExisting, full.lastErrorObject.upserted], [null, false, 9]);
  await rejects(c.findOneAndUpdate({ _id: 0 }, { $bad: { a: 1 } }), 9);
});

test('what cannot be written says why', async (t) => {
  const { db } = await database(t);
  const c = db.collection('c');
  await c.insertOne({ _id: 1, s: 'text', a: [1] });
  await rejects(c.updateOne({ _id: 1 }, { $inc: { s: 1 } }), 14);
  await rejects(c.updateOne({ _id: 1 }, { $push: { s: 1 } }), 2);
  await rejects(c.updateOne({ _id: 1 }, { $set: { _id: 2 } }), 66);
  await rejects(c.updateOne({ _id: 1 }, { $noSuch: { s: 1 } }), 9);
  await rejects(c.updateOne({ _id: 1 }, { $set: { a: 1 }, $unset: { a: 1 } }), 40);
  await rejects(c.find({ a: { $noSuch: 1 } }).toArray(), 2);
  await rejects(db.collection('').insertOne({}).catch((e) => { throw Object.assign(e, { code: e.code ?? 73 }); }), 73);
});

test('a document of 16 MiB is stored, one that is larger is refused', async (t) => {
  const { db } = await database(t);
  const c = db.collection('big');
  const overhead = BSON.calculateObjectSize({ _id: 1, data: '' });
  const fits = 'x'.repeat(16 * MiB - overhead);
  await c.insertOne({ _id: 1, data: fits });
  assert.equal((await c.findOne({ _id: 1 })).data.length, fits.length);
  await assert.rejects(c.insertOne({ _id: 2, data: fits + 'x' }));
  await assert.rejects(c.updateOne({ _id: 1 }, { $set: { more: 'x' } }));
  assert.equal(await c.countDocuments(), 1);
});

test('batches of 48 MB, and results of several times that', async (t) => {
  const { db } = await database(t);
  const c = db.collection('big');
  const data = 'x'.repeat(MiB);
  await c.insertMany(Array.from({ length: 100 }, (_, i) => ({ _id: i, data })));
  let n = 0;
  for await (const doc of c.find()) n += doc.data.length;
  assert.equal(n, 100 * MiB);
});
