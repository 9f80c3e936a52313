// Writers of a load, see load_test.go: write until the input ends and tell what was acknowledged.
import { MongoClient } from 'mongodb';

const client = await new MongoClient(process.env.TINE_URI).connect();
const db = client.db('bank');
const accounts = 5;

const kinds = {
  bump: (name) => db.collection('bumped').updateOne({ _id: name }, { $inc: { n: 1 } }, { upsert: true }),
  add: (name) => db.collection('added').insertOne({ name }),
  transfer: (name, from, to) => client.withSession((session) => session.withTransaction(async () => {
    await db.collection('accounts').updateOne({ _id: from }, { $inc: { n: -1 } }, { session });
    await db.collection('accounts').updateOne({ _id: to }, { $inc: { n: 1 } }, { session });
    await db.collection('ledger').insertOne({ name, from, to }, { session });
  })),
};

const broken = (err) => ['RetryableWriteError', 'UnknownTransactionCommitResult', 'TransientTransactionError'].some((label) => err.hasErrorLabel?.(label))
  || ['MongoNetworkError', 'MongoNetworkTimeoutError', 'MongoServerSelectionError', 'MongoPoolClearedError'].includes(err.name);

let stopped = false;
process.stdin.on('end', () => { stopped = true; }).resume();

async function writer(w) {
  for (let n = 0; !stopped; n++) {
    for (const [kind, run] of Object.entries(kinds)) {
      const name = `node-${w}-${n}`;
      try {
        await run(name, (w + n) % accounts, (w + n + 1 + (n % 3)) % accounts);
        console.log(`ok ${kind} ${name}`);
      } catch (err) {
        if (!broken(err)) throw err;
        console.log(`unknown ${kind} ${name} ${err.name}: ${err.message}`);
      }
    }
  }
}

await Promise.all([0, 1, 2].map(writer));
await client.close();
