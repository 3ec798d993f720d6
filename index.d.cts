import api = require('./dist/index.js')
export = api
