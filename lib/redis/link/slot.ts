const POLYNOMIAL = 0x1021

const table = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ POLYNOMIAL : crc << 1
  return crc
})

/** The Redis Cluster slot of a key: CRC16 (XMODEM) of the key or of its hash tag, modulo 16384. */
export function keySlot (key: string): number {
  let crc = 0
  for (const byte of Buffer.from(hashTag(key))) crc = ((crc << 8) ^ table[(crc >> 8) ^ byte]!) & 0xffff
  return crc % 16384
}

function hashTag (key: string): string {
  const open = key.indexOf('{')
  const close = key.indexOf('}', open + 1)
  return open === -1 || close <= open + 1 ? key : key.slice(open + 1, close)
}
