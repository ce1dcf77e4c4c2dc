// A receiver over TLS that offers HTTP/2 by ALPN, or (`1`) HTTP/1.1 alone. Each request waits 20 ms and becomes a line of
// the file: its version, its connection, how it was made, its key and the id of its event.
//   node http2_receiver.js PORT CERTIFICATE KEY FILE 2|1
const fs = require('fs');
const [port, cert, key, file, version] = process.argv.slice(2);
const files = {cert: fs.readFileSync(cert), key: fs.readFileSync(key)};
const seconds = () => Number(process.hrtime.bigint()) / 1e9;
let links = 0;

function take(request, response) {
  const begin = seconds();
  const link = request.httpVersion === '2.0' ? request.stream.session : request.socket;
  if (!link.dfNumber) link.dfNumber = ++links;
  const parts = [];
  request.on('data', part => parts.push(part));
  request.on('end', () => setTimeout(() => {
    const event = JSON.parse(Buffer.concat(parts));
    fs.appendFileSync(file, JSON.stringify({
      version: request.httpVersion, link: link.dfNumber, begin, end: seconds(),
      key: request.headers['df-key'], id: event.after.id, note: event.after.note}) + '\n');
    response.writeHead(200);
    response.end();
  }, 20));
}

const server = version === '2' ? require('http2').createSecureServer({...files, allowHTTP1: true}, take)
                               : require('https').createServer(files, take);
server.listen(Number(port), '127.0.0.1');
