// What a picture's first bytes say: PNG or JPEG, and its size before anything is decoded. Other formats are none.

const PNG_SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

// { mediaType, width, height }, or null where the bytes are neither PNG nor JPEG. Sizes are 0 where they cannot be told.
export function pictureHeader(bytes) {
  if (PNG_SIGNATURE.every((value, place) => bytes[place] === value)) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const [width, height] = bytes.length >= 24 ? [view.getUint32(16), view.getUint32(20)] : [0, 0];
    return { mediaType: "image/png", width, height };
  }
  if (bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff) {
    return { mediaType: "image/jpeg", ...jpegSize(bytes) };
  }
  return null;
}

function jpegSize(bytes) {
  let place = 2;
  while (place + 9 < bytes.length) {
    if (bytes[place] !== 0xff) break;
    const marker = bytes[place + 1];
    if (marker === 0xff || (marker >= 0xd0 && marker <= 0xd8) || marker === 0x01) {
      // Fill bytes and markers without a segment.
      place += marker === 0xff ? 1 : 2;
      continue;
    }
    if (isFrameHeader(marker)) {
      return { height: (bytes[place + 5] << 8) | bytes[place + 6], width: (bytes[place + 7] << 8) | bytes[place + 8] };
    }
    place += 2 + ((bytes[place + 2] << 8) | bytes[place + 3]);
  }
  return { width: 0, height: 0 };
}

// SOF0–SOF15 but for DHT, JPG and DAC, which lie between them.
function isFrameHeader(marker) {
  return marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
}
