from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from clusters.engine import EngineError
from clusters.models import Cluster, ClusterBinding, FlinkEndpoint


class EndpointInline(admin.StackedInline):
    model = FlinkEndpoint
    extra = 0
    readonly_fields = ["seen_at", "unreachable_since", "unreachable_reason", "slots_total", "slots_free"]


class BindingInline(admin.TabularInline):
    model = ClusterBinding
    extra = 1


@admin.register(Cluster)
class ClusterAdmin(admin.ModelAdmin):
    list_display = ["name", "serial", "total_cu", "supports_fine_grained", "is_under_maintenance", "created_at"]
    search_fields = ["name", "serial"]
    readonly_fields = ["serial", "is_embedded", "created_at"]
    inlines = [EndpointInline, BindingInline]
    actions = ["test_connection"]

    @admin.action(description=gettext_lazy("Test connection"))
    def test_connection(self, request: HttpRequest, clusters: QuerySet[Cluster]) -> None:
        for endpoint in FlinkEndpoint.objects.filter(cluster__in=clusters).select_related("cluster"):
            level, text = _look_at(endpoint)
            self.message_user(request, text, level)


def _look_at(endpoint: FlinkEndpoint) -> tuple[int, str]:
    """Ask the endpoint how it is; return the level and the sentence for the administrator."""
    names = {"cluster": endpoint.cluster.name, "url": endpoint.rest_url}
    try:
        found = endpoint.engine().capacity()
    except EngineError as error:
        told = _("%(cluster)s: %(url)s does not answer: %(reason)s") % (names | {"reason": error.summary})
        return messages.ERROR, told
    names |= {"version": found.version, "free": str(found.slots_free), "total": str(found.slots_total)}
    if found.version != endpoint.flink_version:
        told = _("%(cluster)s: %(url)s answers, but it is Flink %(version)s, not %(expected)s.")
        return messages.WARNING, told % (names | {"expected": endpoint.flink_version})
    told = _("%(cluster)s: %(url)s answers: Flink %(version)s, %(free)s of %(total)s slots free.")
    return messages.SUCCESS, told % names
