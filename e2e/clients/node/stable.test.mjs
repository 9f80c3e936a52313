// The Stable API: what is in it is answered, what is not is refused.
import assert from 'node:assert/strict';
import test from 'node:test';
import { database, numbered, rejects } from './helpers.mjs';

const serverApi = { version: '1', strict: true, deprecationErrors: true };

test('what is in the Stable API is answered', async (t) => {
  const { db } = await database(t, { serverApi });
  const c = db.collection('c');
  await c.insertMany(numbered(500));
  assert.equal((await c.find().batchSize(50).toArray()).length, 500);
  assert.equal((await c.aggregate([{ $group: { _id: '$n' } }]).toArray()).length, 10);
  assert.equal(await c.countDocuments({ n: 1 }), 50);
  assert.equal(await c.estimatedDocumentCount(), 500);
  assert.equal((await c.updateMany({ n: 1 }, { $set: { x: 1 } })).modifiedCount, 50);
  assert.equal((await c.findOneAndUpdate({ _id: 1 }, { $inc: { x: 1 } }, { returnDocument: 'after' })).x, 2);
  assert.equal(await c.createIndex({ n: 1 }), 'n_1');
  assert.deepEqual((await c.indexes()).map((i) => i.name), ['_id_', 'n_1']);
  assert.deepEqual((await db.listCollections().toArray()).map((d) => d.name), ['c']);
  assert.equal((await c.deleteMany({ n: 1 })).deletedCount, 50);
});

test('what is not in it is an APIStrictError', async (t) => {
  const { db } = await database(t, { serverApi });
  await db.collection('c').insertOne({ a: 1 });
  await rejects(db.collection('c').distinct('a'), 323, /not in API Version 1/);
  await rejects(db.command({ collStats: 'c' }), 323, /collStats/);
  await rejects(db.stats(), 323, /dbStats/);
  await rejects(db.admin().serverStatus(), 323, /serverStatus/);
});

test('without strict everything is answered', async (t) => {
  const { db } = await database(t, { serverApi: { version: '1' } });
  await db.collection('c').insertOne({ a: 1 });
  assert.deepEqual(await db.collection('c').distinct('a'), [1]);
});
