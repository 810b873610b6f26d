"""What is served over HTTP: pages, images, the provider's webhook, metrics, `/admin/`; and the server itself."""
