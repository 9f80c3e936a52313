// What the suites share. The cluster is in TINE_URI.
import assert from 'node:assert/strict';
import { MongoClient } from 'mongodb';

export const uri = process.env.TINE_URI;

// The same URI with other parameters; undefined removes one.
export function uriWith(parameters) {
  const url = new URL(uri);
  for (const [name, value] of Object.entries(parameters)) {
    if (value === undefined) url.searchParams.delete(name);
    else url.searchParams.set(name, value);
  }
  return url.toString();
}

// The same URI for another user of admin.
export function uriAs(user, password) {
  const url = new URL(uri);
  url.username = user;
  url.password = password;
  return url.toString();
}

// A connected client, closed when the test ends.
export async function connect(t, options = {}, to = uri) {
  const client = new MongoClient(to, options);
  t.after(() => client.close());
  return client.connect();
}

let databases = 0;

// A database of the test's own and the client that made it.
export async function database(t, options = {}) {
  const client = await connect(t, options);
  const db = client.db(`t${process.pid}_${++databases}`);
  return { client, db };
}

// Fails unless the promise is rejected with this code of MongoDB's.
export async function rejects(promise, code, message) {
  let result;
  try {
    result = await promise;
  } catch (err) {
    assert.equal(err.code, code, `${err.name} ${err.code}: ${err.message}`);
    if (message) assert.match(err.message, message);
    return err;
  }
  assert.fail(`not rejected, want code ${code}; the result is ${JSON.stringify(result)}`);
}

// Runs a case that MongoDB passes and Tine does not, and fails when it starts passing.
export async function known(feature, run) {
  try {
    await run();
  } catch {
    return;
  }
  assert.fail(`${feature} works now: remove the mark and its row in docs/compatibility.md`);
}

// n documents { _id, n, s }.
export const numbered = (n) => Array.from({ length: n }, (_, i) => ({ _id: i, n: i % 10, s: `s${i}` }));
