// Figures as people read them; MB are 10^6 bytes, as everywhere in modelsvc.

export function bytes(count) {
  if (count === null || count === undefined) return "";
  if (count >= 10e9) return `${(count / 1e9).toFixed(1)} GB`;
  return `${Math.round(count / 1e6).toLocaleString("en")} MB`;
}

export function seconds(value) {
  if (value === null || value === undefined) return "";
  if (value < 0.0995) return `${Math.round(value * 1000)} ms`;
  if (value < 9.95) return `${value.toFixed(value < 0.995 ? 2 : 1)} s`;
  return duration(value);
}

export function duration(value) {
  const whole = Math.round(value);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  if (whole < 86400) return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
  return `${Math.floor(whole / 86400)} d ${Math.floor((whole % 86400) / 3600)} h`;
}

/** The largest unit alone, where there is little room. */
export function roughly(value) {
  const [size, unit] = [[86400, "d"], [3600, "h"], [60, "min"]].find(([least]) => value >= least) ?? [1, "s"];
  return `${Math.floor(value / size)} ${unit}`;
}

export function rate(value) {
  return value >= 100 ? Math.round(value).toLocaleString("en") : value.toFixed(value >= 10 ? 0 : 1);
}

export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
export const words = (text) => text.replaceAll("_", " ");
export const fileName = (path) => path.split("/").pop();

export function clock(moment) {
  return moment.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
}

export function ago(moment, now) {
  const passed = (now - moment) / 1000;
  if (passed < 60) return "just now";
  if (passed < 86400) return `${duration(passed).replace(/ \d+ s$/, "")} ago`;
  return moment.toLocaleDateString();
}
