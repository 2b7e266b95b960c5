// A picture: recognised by its own bytes, decoded before its turn, tiny ones enlarged in whole steps without blur.

import { h, number } from "./dom.js";
import { pictureHeader } from "./picture_header.js";

const LARGEST_PIXELS = 50_000_000;
// Up to this many pixels a side, every pixel is shown as a square.
const TINY_PX = 128;
const THUMB_PX = 56;

// { node, ready, spoken, thumb() }: the element is in place as soon as `ready` resolves.
export function picture({ data = "", mediaType = "" }) {
  const bytes = decodeBase64(data);
  const header = pictureHeader(bytes);
  if (!header) return refusal(`This is no PNG or JPEG, the two kinds that are shown (${bytes.length} bytes).`);
  if (header.width * header.height > LARGEST_PIXELS) {
    return refusal(`This picture has ${number(header.width)} × ${number(header.height)} pixels: too many to show.`);
  }
  const img = h("img", { class: "picture", alt: altOf(header), draggable: false, decoding: "sync" });
  const node = h("figure", { class: "picture-frame" }, img);
  const media = { node, spoken: altOf(header), isReady: false, thumb: () => h("span", { class: "thumb thumb-broken" }, "?") };
  media.ready = decode(img, new Blob([bytes], { type: header.mediaType })).then(
    () => {
      fit(node, img);
      media.thumb = () => thumbOf(img);
      media.isReady = true;
    },
    () => {
      node.replaceChildren(...refusal("This picture is broken: it cannot be decoded.").node.childNodes);
      node.className = "refusal";
      media.spoken = "A broken picture";
      media.isReady = true;
    },
  );
  return media;

  function altOf({ width, height }) {
    return width ? `Picture to label, ${width} × ${height} pixels` : "Picture to label";
  }
}

async function decode(img, blob) {
  img.src = URL.createObjectURL(blob);
  try {
    await img.decode();
  } finally {
    // The element keeps what it has loaded; the address is not needed again.
    URL.revokeObjectURL(img.src);
  }
}

// Tells the style sheet the picture's own size; a tiny one grows by the largest whole factor that its frame has room for.
function fit(frame, img) {
  const { naturalWidth: width, naturalHeight: height } = img;
  if (Math.max(width, height) > TINY_PX) return;
  frame.classList.add("picture-tiny");
  new ResizeObserver(([{ contentRect }]) => {
    const factor = Math.max(1, Math.floor(Math.min(contentRect.width / width, contentRect.height / height)));
    img.style.width = `${width * factor}px`;
    img.style.height = `${height * factor}px`;
  }).observe(frame);
}

function thumbOf(img) {
  const scale = THUMB_PX / Math.max(img.naturalWidth, img.naturalHeight);
  const canvas = h("canvas", { class: "thumb" });
  canvas.width = Math.max(1, Math.round(img.naturalWidth * scale));
  canvas.height = Math.max(1, Math.round(img.naturalHeight * scale));
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = scale < 1;
  context.drawImage(img, 0, 0, canvas.width, canvas.height);
  return canvas;
}

export function refusal(message) {
  const node = h("div", { class: "refusal" }, h("p", { class: "refusal-title" }, "Nothing to show"), h("p", {}, message));
  const thumb = () => h("span", { class: "thumb thumb-broken" }, "?");
  return { node, spoken: message, isReady: true, ready: Promise.resolve(), thumb };
}

function decodeBase64(text) {
  // Protobuf's JSON may use either alphabet.
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  const bytes = new Uint8Array(binary.length);
  for (let place = 0; place < binary.length; place += 1) bytes[place] = binary.charCodeAt(place);
  return bytes;
}
