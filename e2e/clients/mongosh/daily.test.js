// What people type.
db = db.getSiblingDB('daily');
db.dropDatabase();

test('insert and find', () => {
  const docs = Array.from({ length: 50 }, (_, i) => ({ _id: i, n: i % 5 }));
  assert.equal(Object.keys(db.c.insertMany(docs).insertedIds).length, 50);
  assert.equal(db.c.find().toArray().length, 50);
  assert.equal(db.c.find({ n: 1 }).sort({ _id: -1 }).limit(2).map((d) => d._id).toArray().join(), '46,41');
  assert.equal(db.c.findOne({ _id: 3 }).n, 3);
  assert.equal(db.c.countDocuments({ n: 2 }), 10);
  assert.equal(db.c.find({ n: 2 }).count(), 10);
  assert.equal(db.c.find().batchSize(7).itcount(), 50);
  same(db.c.distinct('n').sort(), [0, 1, 2, 3, 4]);
});

test('update, replace, delete, findAndModify, bulkWrite', () => {
  assert.equal(db.c.updateOne({ _id: 1 }, { $inc: { n: 1 } }).modifiedCount, 1);
  assert.equal(db.c.updateMany({ n: 4 }, { $set: { four: true } }).modifiedCount, 10);
  assert.equal(db.c.replaceOne({ _id: 100 }, { x: 1 }, { upsert: true }).upsertedCount, 1);
  assert.equal(db.c.findAndModify({ query: { _id: 1 }, update: { $inc: { n: 1 } }, new: true }).n, 3);
  assert.equal(db.c.deleteOne({ _id: 100 }).deletedCount, 1);
  const result = db.c.bulkWrite([{ insertOne: { document: { _id: 200 } } }, { deleteOne: { filter: { _id: 200 } } }]);
  same([result.insertedCount, result.deletedCount], [1, 1]);
  throwsCode(11000, () => db.c.insertOne({ _id: 1 }));
});

test('aggregate', () => {
  const groups = db.c.aggregate([{ $group: { _id: '$n', count: { $sum: 1 } } }, { $sort: { _id: 1 } }]).toArray();
  assert.equal(groups.reduce((sum, g) => sum + g.count, 0), 50);
});

test('indexes', () => {
  assert.equal(db.c.createIndex({ n: 1 }), 'n_1');
  same(db.c.getIndexes().map((i) => i.name), ['_id_', 'n_1']);
  assert.equal(db.c.getIndexKeys().length, 2);
  assert.equal(db.c.dropIndex('n_1').nIndexesWas, 2);
});

test('databases and collections', () => {
  assert.ok(db.getMongo().getDBNames().includes('daily'));
  same(db.getCollectionNames(), ['c']);
  assert.equal(db.getCollectionInfos()[0].type, 'collection');
  assert.equal(db.createCollection('made').ok, 1);
  assert.equal(db.made.drop(), true);
  assert.equal(db.createView('view', 'c', [{ $match: { n: 0 } }]).ok, 1);
  assert.equal(db.view.countDocuments(), 10);
  assert.equal(db.view.drop(), true);
});

test('about the server', () => {
  assert.match(db.version(), /^8\.0\./);
  assert.equal(db.hello().isWritablePrimary, true);
  assert.equal(db.serverStatus().ok, 1);
  assert.equal(db.hostInfo().ok, 1);
  assert.equal(db.adminCommand({ getLog: 'startupWarnings' }).log.length, 0);
  assert.equal(db.runCommand({ connectionStatus: 1 }).authInfo.authenticatedUsers[0].user, 'doadmin');
  assert.ok(db.runCommand({ listCommands: 1 }).commands.find);
  assert.ok(JSON.stringify(db.listCommands()).includes('find'));
});

test('dropDatabase', () => {
  assert.equal(db.dropDatabase().ok, 1);
  assert.ok(!db.getMongo().getDBNames().includes('daily'));
});
