from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LogoutView
from django.urls import include, path
from django.views.i18n import set_language

from workspaces import members, variable_pages, views

of_members = [
    path("", members.members, name="members"),
    path("add/", members.add, name="add-member"),
    path("<int:member>/role/", members.change, name="change-role"),
    path("<int:member>/remove/", members.remove, name="remove-member"),
]

of_variables = [
    path("", variable_pages.variables, name="variables"),
    path("new/", variable_pages.new, name="new-variable"),
    path("<slug:variable>/edit/", variable_pages.edit, name="edit-variable"),
    path("<slug:variable>/delete/", variable_pages.delete, name="delete-variable"),
]

urlpatterns = [
    path("", views.home, name="home"),
    path("login/", views.sign_in, name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("language/", login_not_required(set_language), name="set_language"),
    path("spaces/", views.workspaces, name="workspaces"),
    path("spaces/new/", views.new, name="new-workspace"),
    path("spaces/<slug:serial>/edit/", views.edit, name="edit-workspace"),
    path("spaces/<slug:serial>/delete/", views.delete, name="delete-workspace"),
    path("spaces/<slug:serial>/members/", include(of_members)),
    path("spaces/<slug:serial>/variables/", include(of_variables)),
]
