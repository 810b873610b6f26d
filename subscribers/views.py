from django.http import HttpRequest, HttpResponse
def without_our_form(request: HttpRequest, reason: str = "") -> HttpResponse:
    return HttpResponse(status=403)
