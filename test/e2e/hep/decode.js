// Reads HEP packets, each in base64 on a line, with the decoder of the Homer
// project, and writes what is in each as JSON on a line.
const { decapsulate } = require('hep-js')
const lines = require('fs').readFileSync(0, 'utf8').split('\n').filter(Boolean)
for (const line of lines) console.log(JSON.stringify(decapsulate(Buffer.from(line, 'base64'))))
