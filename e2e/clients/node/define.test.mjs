// Collections, views and indexes.
import assert from 'node:assert/strict';
import test from 'node:test';
import { database, known, numbered, rejects } from './helpers.mjs';

const names = async (db, filter) => (await db.listCollections(filter).toArray()).map((c) => c.name).sort();

test('views can be read and not written', async (t) => {
  const { db } = await database(t);
  await db.collection('c').insertMany(numbered(20));
  const view = await db.createCollection('v', { viewOn: 'c', pipeline: [{ $match: { n: 1 } }] });
  assert.equal((await view.find().toArray()).length, 2);
  assert.equal(await view.countDocuments({ _id: { $gt: 5 } }), 1);
  assert.equal((await db.listCollections({ name: 'v' }).toArray())[0].type, 'view');
  await rejects(view.insertOne({}), 166);
  await view.drop();
});

test('a unique index refuses duplicates, and is not built over them', async (t) => {
  const { db } = await database(t);
  const c = db.collection('c');
  await c.createIndex({ a: 1 }, { unique: true });
  await c.insertOne({ a: 1 });
  const err = await rejects(c.insertOne({ a: 1 }), 11000, /a_1/);
  await known('`keyPattern` and `keyValue` of duplicate key errors', async () => {
    assert.deepEqual(err.keyPattern, { a: 1 });
    assert.deepEqual(err.keyValue, { a: 1 });
  });
  await c.insertMany([{ a: 2, b: 1 }, { a: 3, b: 1 }]);
  await rejects(c.createIndex({ b: 1 }, { unique: true }), 11000);
  await rejects(c.createIndex({ a: 1 }, { name: 'other', sparse: true, unique: true }).then(() => c.createIndex({ a: 1 }, { name: 'other' })), 86);
});

test('text search', async (t) => {
  const { db } = await database(t);
  const c = db.collection('c');
  await c.createIndex({ title: 'text' });
  await c.insertMany([{ _id: 1, title: 'the quick brown fox' }, { _id: 2, title: 'a lazy dog' }, { _id: 3, title: 'quick dogs' }]);
  const found = await c.find({ $text: { $search: 'quick' } }, { projection: { score: { $meta: 'textScore' } } }).sort({ score: { $meta: 'textScore' } }).toArray();
  assert.deepEqual(found.map((d) => d._id).sort(), [1, 3]);
});

test('places', async (t) => {
  const { db } = await database(t);
  const c = db.collection('c');
  await c.createIndex({ at: '2dsphere' });
  const point = (x, y) => ({ type: 'Point', coordinates: [x, y] });
  await c.insertMany([{ _id: 1, at: point(13.4, 52.5) }, { _id: 2, at: point(2.35, 48.85) }, { _id: 3, at: point(-0.12, 51.5) }]);
  assert.deepEqual((await c.find({ at: { $near: { $geometry: point(2.3, 48.8), $maxDistance: 500_000 } } }).toArray()).map((d) => d._id), [2, 3]);
  const [near] = await c.aggregate([{ $geoNear: { near: point(13, 52), distanceField: 'd', spherical: true } }, { $limit: 1 }]).toArray();
  assert.equal(near._id, 1);
  assert.ok(near.d > 0);
});

test('capped, clustered and time series collections are refused', async (t) => {
  const { db } = await database(t);
  await known('capped collections', () => db.createCollection('capped', { capped: true, size: 4096 }));
  await known('time series collections', () => db.createCollection('series', { timeseries: { timeField: 't' } }));
  await known('clustered collections', () => db.createCollection('clustered', { clusteredIndex: { key: { _id: 1 }, unique: true } }));
  assert.deepEqual(await names(db), []);
});

test('system databases are not written to', async (t) => {
  const { client } = await database(t);
  for (const name of ['admin', 'local', 'config']) await rejects(client.db(name).collection('c').insertOne({}), 13);
});

test('names that MongoDB does not allow are refused', async (t) => {
  const { client, db } = await database(t);
  await rejects(db.command({ insert: 'a$b', documents: [{}] }), 73);
  await rejects(db.command({ create: 'system.mine' }), 73);
  await rejects(client.db('d').command({ create: 'x'.repeat(300) }), 73);
});
