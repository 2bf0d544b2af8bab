import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

// The pages are served from the binary, under any address: no CDN, no inlined assets (the
// content security policy has no data: scripts), and a manifest for the test of sizes.
export default defineConfig({
  plugins: [react()],
  build: { target: 'es2023', manifest: true, assetsInlineLimit: 0, chunkSizeWarningLimit: 2000 },
  // The host stays what the browser asked: the server takes writes from its own pages only.
  server: { proxy: { '/api': { target: process.env.TIERWALL_SERVER ?? 'http://127.0.0.1:8080', changeOrigin: false } } },
});
