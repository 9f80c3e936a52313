// Queries, cursors and aggregations.
import assert from 'node:assert/strict';
import test from 'node:test';
import { connect, database, known, numbered, rejects } from './helpers.mjs';

async function filled(t, n) {
  const { client, db } = await database(t);
  const c = db.collection('c');
  await c.insertMany(numbered(n));
  return { client, db, c };
}

test('cursors: batchSize, limit, skip, sort, projection, hint', async (t) => {
  const { c } = await filled(t, 1000);
  await c.createIndex({ n: 1 }, { name: 'by_n' });
  for (const batchSize of [1, 2, 101, 999, 1000, 5000]) {
    const docs = await c.find({ _id: { $lt: batchSize === 1 ? 20 : 1000 } }, { batchSize }).toArray();
    assert.equal(docs.length, batchSize === 1 ? 20 : 1000);
  }
  assert.deepEqual((await c.find().sort({ _id: -1 }).skip(5).limit(3).toArray()).map((d) => d._id), [994, 993, 992]);
  assert.deepEqual((await c.find().sort({ n: -1, _id: 1 }).limit(250).batchSize(7).toArray()).length, 250);
  assert.deepEqual(await c.find({ _id: 3 }).project({ s: 1, _id: 0 }).toArray(), [{ s: 's3' }]);
  assert.equal((await c.find({ n: 4 }).hint('by_n').toArray()).length, 100);
  assert.equal((await c.find({ n: 4 }).hint({ n: 1 }).toArray()).length, 100);
  assert.equal((await c.find().limit(-5).toArray()).length, 5);
  assert.equal((await c.find({}, { singleBatch: true, batchSize: 5 }).toArray()).length, 5);
  assert.equal((await c.find({}, { noCursorTimeout: true, batchSize: 10 }).toArray()).length, 1000);
  assert.equal((await c.find({}, { allowDiskUse: true, comment: 'why', maxTimeMS: 60_000 }).sort({ s: 1 }).toArray()).length, 1000);
  await rejects(c.find().hint('no_such_index').toArray(), 2);
});

test('query operators', async (t) => {
  const { c } = await filled(t, 100);
  const count = async (filter) => (await c.find(filter).toArray()).length;
  assert.equal(await count({ $or: [{ _id: 1 }, { _id: { $in: [2, 3] } }] }), 3);
  assert.equal(await count({ s: /^s1/ }), 11);
  assert.equal(await count({ s: { $regex: '^S1', $options: 'i' } }), 11);
  assert.equal(await count({ $expr: { $eq: ['$n', '$_id'] } }), 10);
  assert.equal(await count({ absent: null }), 100);
  assert.equal(await count({ absent: { $exists: true } }), 0);
  assert.equal(await count({ _id: { $mod: [10, 3] } }), 10);
  assert.equal(await count({ s: { $type: 'string' }, n: { $not: { $gt: 0 } } }), 10);
  assert.equal(await count({ $nor: [{ n: { $gte: 1 } }] }), 10);
});

test('a cursor that is closed in the middle is gone', async (t) => {
  const { c, db } = await filled(t, 1000);
  const cursor = c.find({}, { batchSize: 10 });
  await cursor.next();
  const { id } = cursor;
  assert.ok(!id.isZero());
  await cursor.close();
  await rejects(db.command({ getMore: id, collection: 'c' }), 43);
});

test('a cursor is killed when its iteration is broken off', async (t) => {
  const { c } = await filled(t, 1000);
  let n = 0;
  for await (const _ of c.find({}, { batchSize: 10 })) if (++n === 15) break;
  assert.equal(n, 15);
});

test('many cursors at once', async (t) => {
  const { c } = await filled(t, 1000);
  const cursors = Array.from({ length: 50 }, () => c.find({}, { batchSize: 50 }).sort({ s: 1 }));
  await Promise.all(cursors.map((cursor) => cursor.next()));
  const rest = await Promise.all(cursors.map((cursor) => cursor.toArray()));
  for (const docs of rest) assert.equal(docs.length, 999);
});

test('another user of the connection pool cannot read a cursor of another collection', async (t) => {
  const { c, db } = await filled(t, 100);
  const cursor = c.find({}, { batchSize: 10 });
  await cursor.next();
  await rejects(db.command({ getMore: cursor.id, collection: 'other' }), 13);
  await cursor.close();
});

test('a tailable cursor on a normal collection is refused', async (t) => {
  const { c } = await filled(t, 1);
  await rejects(c.find({}, { tailable: true }).toArray(), 2);
  await rejects(c.find({}, { tailable: true, awaitData: true }).toArray(), 2);
});

test('maxTimeMS ends a query that takes longer', async (t) => {
  const { c } = await filled(t, 1000);
  const cross = { $lookup: { from: 'c', pipeline: [{ $lookup: { from: 'c', pipeline: [{ $match: { $expr: { $gt: [{ $rand: {} }, 2] } } }], as: 'b' } }], as: 'a' } };
  await rejects(c.aggregate([cross], { maxTimeMS: 50 }).toArray(), 50);
});

test('aggregations: $group, $facet, $lookup, $unwind, $bucket, $setWindowFields, $unionWith', async (t) => {
  const { db, c } = await filled(t, 100);
  await db.collection('names').insertMany([{ _id: 0, name: 'zero' }, { _id: 1, name: 'one' }]);
  const run = (...stages) => c.aggregate(stages).toArray();
  assert.deepEqual(await run({ $group: { _id: '$n', sum: { $sum: '$_id' }, max: { $max: '$_id' }, all: { $addToSet: '$s' } } }, { $set: { all: { $size: '$all' } } }, { $sort: { _id: 1 } }, { $limit: 1 }),
    [{ _id: 0, sum: 450, max: 90, all: 10 }]);
  assert.deepEqual(await run({ $facet: { few: [{ $match: { n: 3 } }, { $count: 'n' }], all: [{ $count: 'n' }] } }), [{ few: [{ n: 10 }], all: [{ n: 100 }] }]);
  assert.deepEqual(await run({ $match: { _id: 11 } }, { $lookup: { from: 'names', localField: 'n', foreignField: '_id', as: 'name' } }, { $unwind: '$name' }, { $replaceRoot: { newRoot: '$name' } }),
    [{ _id: 1, name: 'one' }]);
  assert.deepEqual(await run({ $match: { _id: 11 } }, { $lookup: { from: 'names', let: { n: '$n' }, pipeline: [{ $match: { $expr: { $eq: ['$_id', '$$n'] } } }], as: 'l' } }, { $project: { l: 1 } }),
    [{ _id: 11, l: [{ _id: 1, name: 'one' }] }]);
  assert.equal((await run({ $bucket: { groupBy: '$_id', boundaries: [0, 50, 100] } })).length, 2);
  assert.equal((await run({ $setWindowFields: { partitionBy: '$n', sortBy: { _id: 1 }, output: { running: { $sum: '$_id', window: { documents: ['unbounded', 'current'] } } } } }, { $match: { _id: 90 } }))[0].running, 450);
  assert.equal((await run({ $unionWith: 'names' }, { $count: 'n' }))[0].n, 102);
  assert.deepEqual((await run({ $sortByCount: '$n' }, { $limit: 1 }))[0].count, 10);
  assert.equal((await run({ $sample: { size: 10 } })).length, 10);
  assert.equal((await c.aggregate([{ $match: {} }], { batchSize: 7, allowDiskUse: true, comment: 'c' }).toArray()).length, 100);
  assert.deepEqual(await c.aggregate([{ $match: { $expr: { $eq: ['$_id', '$$x'] } } }], { let: { x: 3 } }).project({ _id: 1 }).toArray(), [{ _id: 3 }]);
  assert.deepEqual(await db.aggregate([{ $documents: [{ a: 1 }, { a: 2 }] }]).toArray(), [{ a: 1 }, { a: 2 }]);
  await rejects(run({ $noSuchStage: {} }), 40324);
});

test('$push keeps the order of its input', async (t) => {
  const { c } = await filled(t, 40);
  const run = (...stages) => c.aggregate(stages).toArray();
  const sorted = [0, 10, 20, 30];
  assert.deepEqual(await run({ $match: { n: 0 } }, { $sort: { _id: 1 } }, { $group: { _id: null, all: { $push: '$_id' } } }), [{ _id: null, all: sorted }]);
  await known('order of $push in $group', async () => {
    for (const { _id, all } of await run({ $sort: { _id: -1 } }, { $group: { _id: '$n', all: { $push: '$_id' } } })) {
      assert.deepEqual(all, sorted.map((n) => n + _id).reverse());
    }
  });
});

test('$out and $merge', async (t) => {
  const { db, c, client } = await filled(t, 100);
  await c.aggregate([{ $match: { n: 1 } }, { $out: 'out' }]).toArray();
  assert.equal(await db.collection('out').countDocuments(), 10);
  await c.aggregate([{ $match: { n: 2 } }, { $out: 'out' }]).toArray();
  assert.equal(await db.collection('out').countDocuments(), 10);
  await c.aggregate([{ $group: { _id: '$n', count: { $sum: 1 } } }, { $merge: { into: 'out', whenMatched: 'merge', whenNotMatched: 'insert' } }]).toArray();
  assert.equal(await db.collection('out').countDocuments(), 19);
  const other = client.db(`${db.databaseName}_other`);
  await c.aggregate([{ $match: { n: 1 } }, { $merge: { into: { db: other.databaseName, coll: 'm' } } }]).toArray();
  assert.equal(await other.collection('m').countDocuments(), 10);
  await other.dropDatabase();
});

test('changes cannot be watched', async (t) => {
  const { c } = await filled(t, 1);
  await known('change streams', async () => {
    const stream = c.watch();
    try {
      await stream.tryNext();
    } finally {
      await stream.close();
    }
  });
});

test('JavaScript is not run', async (t) => {
  const { c } = await filled(t, 10);
  await known('server-side JavaScript ($where, $function, $accumulator, mapReduce)', () => c.find({ $where: 'this.n == 1' }).toArray());
  await known('server-side JavaScript ($where, $function, $accumulator, mapReduce)', () =>
    c.aggregate([{ $project: { x: { $function: { body: 'function() { return 1 }', args: [], lang: 'js' } } } }]).toArray());
});

test('strings are not compared by a language', async (t) => {
  const { c } = await filled(t, 10);
  await known('collation', () => c.find({ s: 'S1' }, { collation: { locale: 'en', strength: 2 } }).toArray());
});

test('exhaust and checksums do not matter to a client that reads one document', async (t) => {
  const client = await connect(t, { maxPoolSize: 1 });
  const c = client.db('one').collection('c');
  await c.insertOne({ a: 1 });
  for (let i = 0; i < 100; i++) assert.equal((await c.findOne()).a, 1);
});
