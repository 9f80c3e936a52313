// Connecting with the options that people use.
import assert from 'node:assert/strict';
import test from 'node:test';
import { MongoClient } from 'mongodb';
import { connect, rejects, uri, uriAs, uriWith } from './helpers.mjs';

const ping = (client) => client.db('admin').command({ ping: 1 });

for (const options of [
  { retryWrites: true, retryReads: true },
  { retryWrites: false, retryReads: false },
  { readPreference: 'primary' },
  { readPreference: 'primaryPreferred' },
  { readPreference: 'secondaryPreferred' },
  { readPreference: 'nearest' },
  { authSource: 'admin' },
  { authMechanism: 'SCRAM-SHA-256' },
  { appName: 'tine clients', driverInfo: { name: 'tests', version: '1' } },
  { maxPoolSize: 1 },
  { minPoolSize: 3, maxPoolSize: 5, maxIdleTimeMS: 1000 },
  { directConnection: true, replicaSet: undefined },
  { writeConcern: { w: 'majority' } },
  { writeConcern: { w: 1, j: true } },
  { readConcern: { level: 'majority' } },
  { serverApi: { version: '1' } },
  { serverApi: { version: '1', strict: true, deprecationErrors: true } },
  { compressors: ['none'] },
  { compressors: ['zlib'], zlibCompressionLevel: 6 },
  { compressors: ['snappy'] },
  { compressors: ['snappy', 'zlib'] },
  { compressors: ['zstd'] },
  { heartbeatFrequencyMS: 500, serverMonitoringMode: 'stream' },
  { serverMonitoringMode: 'poll' },
  { monitorCommands: true, enableUtf8Validation: true },
]) {
  test(`connects and works with ${JSON.stringify(options)}`, async (t) => {
    const { replicaSet, ...rest } = options;
    const to = 'replicaSet' in options ? uriWith({ replicaSet }) : uri;
    const client = await connect(t, rest, to);
    await ping(client);
    const c = client.db('connect').collection('c');
    const { insertedId } = await c.insertOne({ text: 'x'.repeat(5000) });
    assert.equal((await c.findOne({ _id: insertedId })).text.length, 5000);
    assert.equal((await c.find({ _id: insertedId }).toArray()).length, 1);
    await c.deleteOne({ _id: insertedId });
  });
}

test('the topology is a replica set with a primary and sessions', async (t) => {
  const client = await connect(t);
  const hello = await client.db('admin').command({ hello: 1 });
  assert.equal(hello.isWritablePrimary, true);
  assert.equal(hello.setName, new URL(uri).searchParams.get('replicaSet'));
  assert.equal(hello.logicalSessionTimeoutMinutes, 30);
  assert.equal(hello.maxBsonObjectSize, 16 * 1024 * 1024);
  assert.equal(hello.maxMessageSizeBytes, 48_000_000);
  assert.ok(hello.hosts.includes(hello.me));
});

test('a replica set of another name is not selected', async (t) => {
  const client = new MongoClient(uriWith({ replicaSet: 'another', serverSelectionTimeoutMS: '1000' }));
  t.after(() => client.close());
  await assert.rejects(client.connect(), { name: 'MongoServerSelectionError' });
});

test('a wrong password is refused with AuthenticationFailed', async (t) => {
  const client = new MongoClient(uriAs('doadmin', 'wrong'));
  t.after(() => client.close());
  await rejects(client.connect(), 18, /Authentication failed/);
});

test('without a password nothing but the handshake is answered', async (t) => {
  const url = new URL(uri);
  url.username = url.password = '';
  url.searchParams.delete('authSource');
  const client = await connect(t, {}, url.toString());
  await ping(client);
  await rejects(client.db('d').collection('c').findOne(), 13);
});

test('a hundred connections at once', async (t) => {
  const client = await connect(t, { maxPoolSize: 100, waitQueueTimeoutMS: 60_000 });
  await Promise.all(Array.from({ length: 400 }, () => ping(client)));
});

test('an unknown command is CommandNotFound by name', async (t) => {
  const client = await connect(t);
  await rejects(client.db('admin').command({ noSuchCommand: 1 }), 59, /noSuchCommand/);
});
