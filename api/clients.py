"""How the official clients are pointed at this console: what to write, with the endpoint filled in."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _


@dataclass(frozen=True, slots=True)
class ApiClient:
    """One client: its name, where it comes from, what to mind, and text to copy."""

    slug: str
    name: str
    install: str
    note: str
    text: str


PYTHON = """\
from tencentcloud.common.credential import Credential
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.oceanus.v20190422 import models
from tencentcloud.oceanus.v20190422.oceanus_client import OceanusClient

http = HttpProfile(protocol="{scheme}", endpoint="{host}")
client = OceanusClient(Credential("SECRET_ID", "SECRET_KEY"), "", ClientProfile(httpProfile=http, language="{language}"))

request = models.DescribeJobsRequest()
print(client.DescribeJobs(request).to_json_string(indent=2))
"""

TCCLI = """\
export TENCENTCLOUD_SECRET_ID=SECRET_ID TENCENTCLOUD_SECRET_KEY=SECRET_KEY TENCENTCLOUD_REGION=ap-guangzhou

tccli oceanus DescribeJobs --endpoint {url}
tccli oceanus RunJobs --endpoint {url} \\
  --RunJobDescriptions '[{{"JobId": "cql-xxxxxxxx", "RunType": 1}}]'
tccli oceanus DescribeJobs --endpoint {url} --JobIds '["cql-xxxxxxxx"]' \\
  --waiter "{{'expr': 'JobSet[0].Status', 'to': 4, 'timeout': 300, 'interval': 2}}"
"""

NODE = """\
const {{ Client }} = require("tencentcloud-sdk-nodejs").oceanus.v20190422

const client = new Client({{
  credential: {{ secretId: "SECRET_ID", secretKey: "SECRET_KEY" }},
  region: "ap-guangzhou",
  profile: {{ language: "{language}", httpProfile: {{ protocol: "{scheme}://", endpoint: "{host}" }} }},
}})

client.DescribeJobs({{}}).then((answer) => console.log(answer.JobSet))
"""

GO = """\
package main

import (
	"fmt"

	"github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/common"
	"github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/common/profile"
	oceanus "github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/oceanus/v20190422"
)

func main() {{
	settings := profile.NewClientProfile()
	settings.HttpProfile.Scheme = "{upper_scheme}"
	settings.HttpProfile.Endpoint = "{host}"
	client, _ := oceanus.NewClient(common.NewCredential("SECRET_ID", "SECRET_KEY"), "ap-guangzhou", settings)
	answer, err := client.DescribeJobs(oceanus.NewDescribeJobsRequest())
	if err != nil {{
		panic(err)
	}}
	fmt.Println(answer.ToJsonString())
}}
"""

TERRAFORM = """\
provider "tencentcloud" {{
  secret_id  = "SECRET_ID"
  secret_key = "SECRET_KEY"
  region     = "ap-guangzhou"
  protocol   = "{upper_scheme}"
  domain     = "{host}"
}}
"""


def clients_for(scheme: str, host: str, language: str) -> list[ApiClient]:
    """Return the clients for a console at `scheme`://`host`; `language` is that of its answers: zh-CN or en-US."""
    at = {
        "scheme": scheme,
        "upper_scheme": scheme.upper(),
        "host": host,
        "url": f"{scheme}://{host}",
        "language": language,
    }
    return [
        ApiClient(
            "python",
            "Python",
            "pip install tencentcloud-sdk-python-oceanus",
            _("With a proxy in the environment, write this host with its port into NO_PROXY: %(host)s") % at,
            PYTHON.format(**at),
        ),
        ApiClient(
            "tccli",
            "tccli",
            "pip install tccli",
            _("The endpoint is given with its scheme. To keep it: tccli configure set oceanus.endpoint %(url)s") % at,
            TCCLI.format(**at),
        ),
        ApiClient("node", "Node.js", "npm install tencentcloud-sdk-nodejs", "", NODE.format(**at)),
        ApiClient(
            "go", "Go", "go get github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/oceanus", "", GO.format(**at)
        ),
        ApiClient(
            "terraform",
            "Terraform",
            "tencentcloudstack/tencentcloud",
            _("Terraform asks oceanus.%(host)s: let this name lead here, too, and add it to OCEANUS_ALLOWED_HOSTS.")
            % at,
            TERRAFORM.format(**at),
        ),
    ]
