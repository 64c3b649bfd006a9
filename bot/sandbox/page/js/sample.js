const WIDTH = 832;
const HEIGHT = 480;

function sky(paint) {
  const light = paint.createLinearGradient(0, 0, 0, HEIGHT);
  light.addColorStop(0, "#2b2350");
  light.addColorStop(0.45, "#c8553d");
  light.addColorStop(0.62, "#f2b45a");
  light.addColorStop(0.63, "#5a3350");
  light.addColorStop(1, "#1d1530");
  paint.fillStyle = light;
  paint.fillRect(0, 0, WIDTH, HEIGHT);
}

function sun(paint) {
  paint.fillStyle = "#ffe3a3";
  paint.beginPath();
  paint.arc(WIDTH * 0.62, HEIGHT * 0.52, 54, 0, Math.PI * 2);
  paint.fill();
  paint.fillStyle = "rgba(255, 214, 140, 0.5)";
  for (let line = 0; line < 9; line += 1) {
    const half = 70 - line * 5;
    paint.fillRect(WIDTH * 0.62 - half, HEIGHT * 0.65 + line * 17, half * 2, 4);
  }
}

function hills(paint) {
  paint.fillStyle = "#241a33";
  paint.beginPath();
  paint.moveTo(0, HEIGHT * 0.66);
  paint.quadraticCurveTo(WIDTH * 0.15, HEIGHT * 0.3, WIDTH * 0.36, HEIGHT * 0.64);
  paint.lineTo(WIDTH * 0.36, HEIGHT * 0.66);
  paint.fill();
}

/** A small painted landscape, so that a first try needs no file of one's own. */
export async function samplePicture() {
  const canvas = Object.assign(document.createElement("canvas"), { width: WIDTH, height: HEIGHT });
  const paint = canvas.getContext("2d");
  for (const layer of [sky, sun, hills]) layer(paint);
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  return new File([blob], "sunset.png", { type: "image/png" });
}
