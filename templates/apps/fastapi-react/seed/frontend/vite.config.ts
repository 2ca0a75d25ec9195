import react from "@vitejs/plugin-react";
import { loadEnv } from "vite";
import { defineConfig } from "vitest/config";

// `npm run dev` passes what is not the interface on to the back end at API_URL.
export default defineConfig(({ mode }) => ({
  base: "/",
  // Not inside node_modules, which may be shared and read-only.
  cacheDir: ".vite",
  plugins: [react()],
  server: {
    port: 5173,
    proxy: { "/api": loadEnv(mode, ".", "API_").API_URL ?? "http://127.0.0.1:8000" },
  },
  // Not "assets", which may be a page of the application.
  build: { outDir: "dist", emptyOutDir: true, assetsDir: "_app" },
  test: {
    environment: "jsdom",
    setupFiles: ["src/test/setup.ts"],
    include: ["src/**/*.test.{ts,tsx}"],
    restoreMocks: true,
    // Tests leave nothing behind (src/test/setup.ts), so their files may share one environment.
    isolate: false,
  },
}));
