// The API page: Swagger UI on our own schema, from our own server, with nothing asked of anybody else.
window.addEventListener("DOMContentLoaded", () => {
  const place = document.getElementById("api");
  window.SwaggerUIBundle({
    url: place.dataset.schema,
    domNode: place,
    deepLinking: true,
    validatorUrl: null,
    docExpansion: "list",
    defaultModelsExpandDepth: 0,
    tryItOutEnabled: true,
    requestInterceptor(request) {
      request.headers["X-CSRF-Token"] = document.querySelector('meta[name="csrf-token"]').content;
      return request;
    },
  });
});
