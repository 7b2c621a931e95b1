import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";
import { licenses } from "./licenses.ts";

// In development the pages come from Vite, and everything of the server from the one that this address names.
const server = process.env.HEADWATER_URL ?? "http://127.0.0.1:8000";

export default defineConfig({
  base: "/",
  plugins: [react(), tailwindcss(), licenses("licenses.txt")],
  build: {
    outDir: "../../src/headwater/pages",
    emptyOutDir: true,
    target: "es2024",
    // The content security policy allows fonts from the server only, so nothing is put into the style sheet.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: {
    // The server answers pages of its own origin only, which in development this one stands for.
    proxy: { "/api": { target: server, changeOrigin: true, headers: { Origin: new URL(server).origin } } },
  },
});
