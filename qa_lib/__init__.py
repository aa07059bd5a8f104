"""Service-quality research with the RATER index: from a raw survey export to a validated bilingual report.

The public names below are all a user needs; each is loaded from its room when first used, so that importing the
package, and asking the command line for help, stays instant.
"""

from importlib import import_module

__version__ = "0.1.0"

_ROOMS = {
    "study": {
        "study": ("Study", "read_study"),
        "instrument": ("Instrument", "read_instrument"),
        "responses": ("Responses", "read_responses"),
        "screening": ("screen",),
    },
    "sufficient": {
        "moments": ("Moments", "moments"),
        "ordinal": ("polychoric", "polyserial"),
    },
    "models": {
        "fit": ("cfa", "sem"),
        "compare": ("compare_models",),
    },
    "trust": {
        "describe": ("describe", "correlations"),
        "reliability": ("reliability",),
        "gap_reliability": ("gap_reliability",),
        "retest": ("retest",),
        "factors": ("factorability", "parallel_analysis", "efa"),
        "cutoffs": ("cutoffs",),
        "validity": ("validity",),
        "invariance": ("invariance", "free_parameters"),
    },
    "effects": {
        "regression": ("drivers",),
        "prediction": ("cross_validate",),
        "segments": ("driver_segments",),
        "latent": ("latent_drivers",),
        "asymmetry": ("penalty_reward", "kano"),
        "priorities": ("ipa",),
        "pls": ("pls",),
        "robustness": ("robustness",),
    },
    "tracking": {
        "service_index": ("rater_index",),
        "indicators": ("gap", "nps", "csat", "effort", "band"),
        "periods": ("compare_periods",),
        "seasonality": ("seasonality",),
        "league": ("league_table",),
        "control": ("control_chart",),
        "composite": ("composite",),
        "actions": ("action_effects",),
        "raking": ("rake",),
        "makeup": ("response_rates", "makeup", "makeup_drift", "standardise"),
        "planning": ("sample_size", "precision_reached"),
        "restatement": ("figures", "restated"),
    },
    "voice": {
        "comments": ("comments",),
        "dictionary": ("read_themes",),
    },
    "operations": {
        "kpis": ("kpis", "kpi_cases", "pareto"),
        "scorecards": ("score_contacts",),
        "monitoring": ("monitored", "agent_reviews", "item_focus", "follow_up"),
        "sampling": ("monitoring_plan",),
        "agreement": ("agreement",),
        "calibration": ("calibrate",),
        "consistency": ("consistency",),
        "circle": ("service_circle",),
    },
    "report": {
        "render": ("render",),
    },
}
_HOMES = {
    name: f"qa_lib.{room}.{file}" for room, files in _ROOMS.items() for file, names in files.items() for name in names
} | {"simulate": "qa_lib.simulation.population"}

__all__ = ["__version__", *sorted(_HOMES)]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'qa_lib' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
