/** @type {import('next').NextConfig} */
export default {
  poweredByHeader: false,
  // Without this a folder above with a lock file would be taken for the root.
  turbopack: { root: import.meta.dirname },
}
