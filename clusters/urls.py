from django.urls import include, path

from clusters import endpoints, views

of_a_cluster = [
    path("", views.cluster, name="cluster"),
    path("edit/", views.edit, name="edit-cluster"),
    path("delete/", views.delete, name="delete-cluster"),
    path("bind/", views.bind, name="bind-cluster"),
    path("bindings/<int:binding>/unbind/", views.unbind, name="unbind-cluster"),
    path("endpoints/add/", endpoints.add, name="add-endpoint"),
    path("endpoints/<int:endpoint>/edit/", endpoints.edit, name="edit-endpoint"),
    path("endpoints/<int:endpoint>/remove/", endpoints.remove, name="remove-endpoint"),
    path("endpoints/<int:endpoint>/test/", endpoints.test, name="test-endpoint"),
]

urlpatterns = [
    path("spaces/<slug:serial>/clusters/", views.clusters, name="clusters"),
    path("clusters/", views.all_clusters, name="all-clusters"),
    path("clusters/new/", views.new, name="new-cluster"),
    path("clusters/<slug:serial>/", include(of_a_cluster)),
]
