// The helpers by which people look at a server.
db = db.getSiblingDB('helpers');
db.dropDatabase();
db.c.insertMany(Array.from({ length: 200 }, (_, i) => ({ _id: i, n: i % 5 })));
db.c.createIndex({ n: 1 });

test('db.stats and db.c.stats', () => {
  const stats = db.stats();
  same([stats.db, stats.collections, stats.views, stats.objects, stats.indexes], ['helpers', 1, 0, 200, 2]);
  assert.ok(Number(stats.dataSize) > 0 && Number(stats.storageSize) > 0);
  const c = db.c.stats();
  same([c.ns, c.count, c.nindexes], ['helpers.c', 200, 2]);
  same(Object.keys(c.indexSizes).sort(), ['_id_', 'n_1']);
  assert.ok(Number(db.c.totalSize()) >= Number(db.c.totalIndexSize()));
  same(db.c.dataSize(), c.size);
  assert.equal(db.c.isCapped(), false);
});

test('getIndexes', () => {
  same(db.c.getIndexes(), [{ v: 2, key: { _id: 1 }, name: '_id_' }, { v: 2, key: { n: 1 }, name: 'n_1' }]);
  throwsCode(26, () => db.none.getIndexes());
});

test('createView', () => {
  assert.equal(db.createView('ones', 'c', [{ $match: { n: 1 } }]).ok, 1);
  assert.equal(db.ones.find().itcount(), 40);
  same(db.getCollectionInfos({ name: 'ones' }).map((i) => [i.type, i.options.viewOn]), [['view', 'c']]);
  throwsCode(166, () => db.ones.insertOne({}));
  assert.equal(db.ones.drop(), true);
});

test('explain', () => {
  const plan = db.c.find({ n: 1 }).explain('executionStats');
  assert.equal(plan.queryPlanner.namespace, 'helpers.c');
  same([plan.executionStats.executionSuccess, plan.executionStats.nReturned], [true, 40]);
  assert.ok(db.c.explain().aggregate([{ $match: { n: 1 } }]).queryPlanner);
  assert.equal(db.c.explain('executionStats').count({ n: 1 }).ok, 1);
});

test('currentOp, serverStatus and hostInfo', () => {
  const own = db.currentOp().inprog.filter((op) => op.command && (op.command.currentOp || op.command.aggregate));
  assert.ok(own.length > 0, 'the operation does not see itself');
  const status = db.serverStatus();
  assert.match(status.version, /^8\.0\./);
  assert.ok(status.connections.current > 0 && status.uptime >= 0);
  const host = db.hostInfo();
  assert.ok(host.system.cpuAddrSize === 64 && host.os.type === 'Linux');
});

test('rs.status and rs.conf', () => {
  const status = rs.status();
  same(status.members.map((m) => [m.stateStr, m.health]), [['PRIMARY', 1]]);
  assert.equal(status.set, db.hello().setName);
  const conf = rs.conf();
  same([conf._id, conf.members.map((m) => m.host)], [status.set, status.members.map((m) => m.name)]);
});

test('it', () => {
  const first = db.c.find().sort({ _id: 1 });
  assert.equal(first.objsLeftInBatch() + 0, 0);
  assert.equal(first.next()._id, 0);
  assert.equal(first.itcount(), 199);
});
