// What the driver asks of @mongodb-js/zstd.
const { promisify } = require('node:util');
const zlib = require('node:zlib');

exports.compress = promisify(zlib.zstdCompress);
exports.decompress = promisify(zlib.zstdDecompress);
