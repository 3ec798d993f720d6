// For `require('plimsoll')`: the same module as for `import`, so that there is one of everything.
module.exports = require('./dist/index.js')
