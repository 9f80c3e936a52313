// Loaded before each suite. mongosh ends with an exit code other than 0 when a script throws.
const assert = require('node:assert/strict');

// Runs a case under its name. mongosh awaits by itself what its functions return, and functions that were passed.
function test(name, run) {
  try {
    run();
    print(`ok ${name}`);
  } catch (err) {
    print(`not ok ${name}`);
    throw err;
  }
}

// Fails unless two values are the same; what a script makes has other prototypes than what mongosh does, so that deepEqual tells them apart.
function same(actual, expected) {
  assert.equal(EJSON.stringify(actual), EJSON.stringify(expected));
}

// Fails unless run throws an error with this code of MongoDB's.
function throwsCode(code, run) {
  try {
    run();
  } catch (err) {
    assert.equal(err.code, code, `${err.name} ${err.code}: ${err.message}`);
    return;
  }
  assert.fail(`nothing was thrown, want code ${code}`);
}

// Runs a case that MongoDB passes and Tine does not, and fails when it starts passing.
function known(feature, run) {
  try {
    run();
  } catch {
    return;
  }
  assert.fail(`${feature} works now: remove the mark and its row in docs/compatibility.md`);
}
