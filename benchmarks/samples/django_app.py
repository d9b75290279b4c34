"""A Django application of one file: settings, a view, and a request to it."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import path

settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="none")


def greet(request: HttpRequest) -> HttpResponse:
    """Answer every request."""
    return HttpResponse("hello")


urlpatterns = [path("", greet)]

if __name__ == "__main__":
    import django
    from django.test import RequestFactory
    from django.urls import resolve

    django.setup()
    request = RequestFactory().get("/")
    print(resolve("/").func(request).content.decode())
