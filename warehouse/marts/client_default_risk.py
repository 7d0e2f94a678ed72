"""marts.client_default_risk: which clients are likely to default, with the reasons.

Only the declaration lives here: the rows are predictions, which batch scoring writes with the same scorer as the endpoint.
"""

from warehouse.table import MONEY, TableSpec, columns

SCORE_STATUSES = ("scored", "unknown_client", "stale_features", "missing_features")
GRADES = ("A", "B", "C", "D", "E")

CLIENT_DEFAULT_RISK = TableSpec(
    name="marts.client_default_risk",
    description="Probability of default of each client with its reasons, as scored on a business date.",
    grain=("client_id", "business_date"),
    columns=columns(
        [
            ("client_id", "string", "Client key."),
            ("business_date", "date", "Business date of the features that were scored."),
            ("region_id", "string", "Region of the client as of the business date."),
            ("product_type_id", "string", "Product type with the client's largest outstanding principal."),
            ("probability", "float64?", "Probability of default within twelve months; null when not scored.", {"bounds": (0, 1)}),
            ("score", "int64?", "Score points, higher is safer; null when not scored."),
            ("grade", "string?", "Grade by the model's cut-offs, A is safest; null when not scored.", {"values": GRADES}),
            ("status", "string", "Whether the client was scored, or why not.", {"values": SCORE_STATUSES}),
            ("reason_codes", "string", "Codes of the reasons that raise the risk, strongest first, separated by commas; may be empty."),
            ("model_name", "string", "Name of the model."),
            ("model_version", "string", "Version of the model."),
            ("release_id", "int64", "Release whose features were scored.", {"bounds": (1, None)}),
            ("outstanding_principal_amount", MONEY, "Principal still owed on open contracts.", {"bounds": (0, None)}),
            ("overdue_amount", MONEY, "Amount past due and unpaid on open contracts, without penalties.", {"bounds": (0, None)}),
        ]
    ),
    partition_by="business_date",
)
