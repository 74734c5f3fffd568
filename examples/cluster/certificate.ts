import { generate } from 'selfsigned'

/** A certificate for this machine alone, as PEM. A client trusts it by being given `cert`. */
export async function makeCertificate (): Promise<{ cert: string, key: string }> {
  const pem = await generate([{ name: 'commonName', value: 'localhost' }], {
    keyType: 'ec',
    algorithm: 'sha256',
    notAfterDate: new Date(Date.now() + 30 * 24 * 3_600_000),
    extensions: [
      { name: 'basicConstraints', cA: false, critical: true },
      { name: 'extKeyUsage', serverAuth: true },
      { name: 'subjectAltName', altNames: [{ type: 2, value: 'localhost' }, { type: 7, ip: '127.0.0.1' }] }
    ]
  })
  return { cert: pem.cert, key: pem.private }
}
