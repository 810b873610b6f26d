"""What is asked over HTTP: pages, images, the provider's webhook, figures, `/admin/`; and the server that answers."""
