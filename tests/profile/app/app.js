let app;
