"""For each assertion, changes of the template that it must notice. Most are faults that the template once had."""


def root(written):
    return written["template.yaml"]["Resources"]


def properties(written, name, path="template.yaml"):
    return written[path]["Resources"][name]["Properties"]


def name_the_schedule(written):
    del properties(written, "ReconcileFunction")["Events"]["Minute"]["Properties"]["OmitName"]


def name_a_queue(written):
    properties(written, "RunAdvanceQueue")["QueueName"] = "run-advance"


def name_a_topic_of_a_nested_stack(written):
    properties(written, "Topic", "infra/alarms.yaml")["TopicName"] = "alarms"


def name_the_dashboard_without_its_region(written):
    dashboard = properties(written, "Dashboard", "infra/dashboard.yaml")
    dashboard["DashboardName"] = {"Fn::Sub": "individual-access-${Stage}"}


def name_the_access_log_for_all_stacks(written):
    properties(written, "AccessLogs")["LogGroupName"] = "/aws/vendedlogs/http-api"


def name_the_seal_key_for_all_stacks(written):
    properties(written, "SealKeyAlias")["AliasName"] = "alias/seals"


def allow_one_more_action(written):
    properties(written, "RecordReadFunction")["Policies"][1]["Statement"][0]["Action"].append("dynamodb:DeleteItem")


def have_the_transform_add_a_policy(written):
    properties(written, "WebhookIntakeFunction")["Events"]["Queue"] = {
        "Type": "SQS", "Properties": {"Queue": {"Fn::GetAtt": ["RunAdvanceQueue", "Arn"]}},
    }


def choose_the_origins_alone(written):
    api = properties(written, "Api")
    whole = api["CorsConfiguration"]["Fn::If"][1]
    none = {"Ref": "AWS::NoValue"}
    api["CorsConfiguration"] = whole | {"AllowOrigins": {"Fn::If": ["HasCors", whole["AllowOrigins"], none]}}


def pass_the_origins_as_one(written):
    properties(written, "Api")["CorsConfiguration"]["Fn::If"][1]["AllowOrigins"] = [{"Ref": "CorsOrigins"}]


def forget_the_bucket(written):
    del properties(written, "RecordsBucket")["CorsConfiguration"]


def hide_the_request_id(written):
    properties(written, "Api")["CorsConfiguration"]["Fn::If"][1]["ExposeHeaders"].remove("apigw-requestid")


def open_without_origins(written):
    api = properties(written, "Api")
    api["CorsConfiguration"] = api["CorsConfiguration"]["Fn::If"][1]
    api["CorsConfiguration"]["AllowOrigins"] = ["*"]


def map_the_domain_without_its_stage(written):
    properties(written, "Domain")["Parameters"]["ApiStage"] = "$default"


def map_the_closed_api_without_its_stage(written):
    properties(written, "ClosingMapping", "infra/domain.yaml")["Stage"] = "$default"


def lead_the_closing_mapping_to_the_api(written):
    properties(written, "ClosingMapping", "infra/domain.yaml").update(ApiId={"Ref": "ApiId"}, Stage={"Ref": "ApiStage"})


def leave_out_the_closing_mapping(written):
    del written["infra/domain.yaml"]["Resources"]["ClosingMapping"]


def add_a_route_to_the_closed_api(written):
    written["infra/domain.yaml"]["Resources"]["Route"] = {
        "Type": "AWS::ApiGatewayV2::Route",
        "Properties": {"ApiId": {"Ref": "ClosedApi"}, "RouteKey": "$default"},
    }


def give_the_closed_api_a_target(written):
    properties(written, "ClosedApi", "infra/domain.yaml")["Target"] = "https://example.com"


def name_the_closed_api_for_all_stacks(written):
    properties(written, "ClosedApi", "infra/domain.yaml")["Name"] = "closed"


def log_into_any_group(written):
    del properties(written, "RecordReadFunction")["LoggingConfig"]


def close_a_circle(written):
    root(written)["DataKey"]["DependsOn"] = "RecordReadFunction"


def write_a_policy_too_long(written):
    statements = properties(written, "RecordReadFunction")["Policies"][1]["Statement"]
    statements += [statements[0]] * 60


def hand_over_too_long_a_value(written):
    written["template.yaml"]["Parameters"]["CorsOrigins"]["Default"] = "https://a.example.com," * 200


def make_too_many_resources(written):
    group = root(written)["RecordReadLogs"]
    root(written).update({f"Logs{number}": group for number in range(450)})


def log_into_the_shared_policy(written):
    properties(written, "AccessLogs")["LogGroupName"] = {"Fn::Sub": "/${AWS::StackName}"}


def leave_a_source_without_a_most(written):
    del properties(written, "WebhookProcessFunction")["Events"]["Queue"]["Properties"]["ScalingConfig"]


def transfer_ten_at_a_time(written):
    written["template.yaml"]["Parameters"]["RecordFetchConcurrency"]["Default"] = 10


def leave_the_bucket_policy_behind(written):
    del root(written)["RecordsBucketTlsOnly"]["DeletionPolicy"]


def keep_versions(written):
    properties(written, "RecordsBucket")["VersioningConfiguration"] = {"Status": "Enabled"}


def keep_the_versions_of_an_older_bucket(written):
    rules = properties(written, "RecordsBucket")["LifecycleConfiguration"]["Rules"]
    rules[:] = [one for one in rules if "NoncurrentVersionExpiration" not in one]


def keep_the_markers_of_an_older_bucket(written):
    for rule in properties(written, "RecordsBucket")["LifecycleConfiguration"]["Rules"]:
        rule.pop("ExpiredObjectDeleteMarker", None)


def lose_the_key_of_a_kept_table(written):
    root(written)["DataKey"]["DeletionPolicy"] = "RetainExceptOnCreate"


def encrypt_the_table_with_a_key_that_goes(written):
    root(written)["OtherKey"] = {**root(written)["DataKey"], "DeletionPolicy": "Delete"}
    properties(written, "Table")["SSESpecification"]["KMSMasterKeyId"] = {"Fn::GetAtt": ["OtherKey", "Arn"]}


def let_anybody_sign_up(written):
    del properties(written, "Users", "infra/user-pool.yaml")["AdminCreateUserConfig"]


def let_users_write_their_names(written):
    del properties(written, "App", "infra/user-pool.yaml")["WriteAttributes"]


def watch_without_cold_starts(written):
    properties(written, "WebhookIntakeSlow", "infra/alarms.yaml")["MetricName"] = "Duration"


def watch_a_metric_that_is_off(written):
    del properties(written, "Api")["RouteSettings"]["POST /v1/webhooks/metriport"]["DetailedMetricsEnabled"]


def page_for_one_crash(written):
    properties(written, "RecordFetchWaits", "infra/alarms.yaml")["Threshold"] = 3600


def fail_on_our_own_warnings(written):
    properties(written, "Api")["FailOnWarnings"] = True


def rule(written, name):
    return written["template.yaml"]["Rules"][name]


def accept_unbound_demographics_without_a_word(written):
    del written["template.yaml"]["Rules"]["DemographicsAreBound"]


def leave_bound_demographics_unbound(written):
    del written["template.yaml"]["Rules"]["DemographicsAreBoundOrNot"]


def accept_unbound_demographics_by_default(written):
    written["template.yaml"]["Parameters"]["AcceptUnboundDemographics"]["Default"] = "true"


def ask_for_no_consent_without_a_word(written):
    del written["template.yaml"]["Rules"]["ConsentIsAskedOrKeptElsewhere"]


def ask_for_consent_besides_the_app(written):
    del written["template.yaml"]["Rules"]["ConsentIsNotContradicted"]


def take_any_bucket_in_production(written):
    rule(written, "AnyBucketIsForTheSandbox")["Assertions"][0]["Assert"] = {"Fn::Not": [{"Fn::Equals": ["a", "b"]}]}


def take_any_bucket_by_default(written):
    written["template.yaml"]["Parameters"]["RecordLinkHosts"]["Default"] = "any-s3-bucket"


def refuse_every_deployment(written):
    rule(written, "OneIssuer").pop("RuleCondition")


def let_two_issuers_stand(written):
    del written["template.yaml"]["Rules"]["OneIssuer"]


def take_any_sign_in_without_a_word(written):
    del written["template.yaml"]["Rules"]["SignInIsAssured"]


def take_any_sign_in_besides(written):
    del written["template.yaml"]["Rules"]["SignInIsNotContradicted"]


def state_no_waiver(written):
    del properties(written, "MetriportApiKeySecret")["Tags"]


def run_elsewhere(written):
    properties(written, "RecordReadFunction")["Architectures"] = ["arm64"]


# By the assertion that must notice them: the set of parameters, and the changes.
BROKEN = {
    "names": ("bare", [
        name_the_schedule, name_a_queue, name_a_topic_of_a_nested_stack, name_the_dashboard_without_its_region,
        name_the_access_log_for_all_stacks, name_the_seal_key_for_all_stacks,
    ]),
    "policies": ("bare", [allow_one_more_action, have_the_transform_add_a_policy]),
    "cors": ("two-origins", [
        choose_the_origins_alone, pass_the_origins_as_one, forget_the_bucket, hide_the_request_id,
    ]),
    "dependencies": ("domain", [map_the_domain_without_its_stage, log_into_any_group]),
    "webhook_segment": ("everything", [
        lead_the_closing_mapping_to_the_api, leave_out_the_closing_mapping, add_a_route_to_the_closed_api,
        give_the_closed_api_a_target,
    ]),
    "cycles": ("bare", [close_a_circle]),
    "sizes": ("bare", [write_a_policy_too_long, hand_over_too_long_a_value, make_too_many_resources]),
    "vended_logs": ("bare", [log_into_the_shared_policy]),
    "concurrency": ("bare", [leave_a_source_without_a_most, transfer_ten_at_a_time]),
    "retention": ("bare", [
        leave_the_bucket_policy_behind, keep_versions, keep_the_versions_of_an_older_bucket,
        keep_the_markers_of_an_older_bucket, lose_the_key_of_a_kept_table,
    ]),
    "importable": ("bare", [encrypt_the_table_with_a_key_that_goes]),
    "user_pool": ("user-pool", [let_anybody_sign_up, let_users_write_their_names]),
    "alarms": ("bare", [watch_without_cold_starts, watch_a_metric_that_is_off, page_for_one_crash]),
    "import_warnings": ("bare", [fail_on_our_own_warnings]),
    "rules": ("bare", [
        accept_unbound_demographics_without_a_word, leave_bound_demographics_unbound,
        accept_unbound_demographics_by_default, take_any_bucket_in_production, take_any_bucket_by_default,
        ask_for_no_consent_without_a_word, ask_for_consent_besides_the_app,
        refuse_every_deployment, let_two_issuers_stand, take_any_sign_in_without_a_word, take_any_sign_in_besides,
    ]),
    "stated_waivers": ("unbound", [state_no_waiver]),
    "processor": ("x86_64", [run_elsewhere]),
}
ALL = {
    mutate.__name__: (assertion, chosen, mutate)
    for assertion, (chosen, mutations) in BROKEN.items()
    for mutate in mutations
} | {
    "open_without_origins": ("cors", "bare", open_without_origins),
    "map_the_closed_api_without_its_stage": ("dependencies", "everything", map_the_closed_api_without_its_stage),
    "name_the_closed_api_for_all_stacks": ("names", "everything", name_the_closed_api_for_all_stacks),
}
