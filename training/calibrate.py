"""Fitting two numbers to outcomes: Platt's calibration, and the slope and intercept that measure calibration.

Calibration is fitted on clients and cohorts that the trees have not seen; fitted on the development sample it would be too sure.
"""

import numpy as np

from training.scale import Calibration, sigmoid

MAX_STEPS = 100
TOLERANCE = 1e-10


def fit_calibration(raw: np.ndarray, is_default: np.ndarray) -> Calibration:
    """Platt's calibration of raw log-odds.

    The targets are Platt's smoothed ones, so that the fit stays finite when raw separates the classes.

    Args:
        raw: raw log-odds of the trees.
        is_default: outcomes, 0 or 1; both must occur.

    Reference:
        Platt (1999), Probabilistic outputs for support vector machines, section 2.2.
    """
    bad, good = float(is_default.sum()), float((1 - is_default).sum())
    target = np.where(is_default == 1, (bad + 1) / (bad + 2), 1 / (good + 2))
    intercept, slope = fit_logistic(raw, target)
    return Calibration(intercept, slope)


def fit_logistic(x: np.ndarray, target: np.ndarray, weight: np.ndarray | None = None, ridge: float = 1e-6) -> tuple[float, float]:
    """Intercept and slope of a logistic regression on one variable, by Newton's method with halved steps.

    Args:
        x: the variable.
        target: outcomes or probabilities, 0..1.
        weight: weight of each row; None means 1.
        ridge: penalty on the slope, which only matters where the classes are separated.
    """
    weight = np.ones_like(x) if weight is None else weight
    design = np.column_stack([np.ones_like(x), x])
    penalty = np.array([0.0, ridge])
    share = np.average(target, weights=weight)
    beta = np.array([np.log(share / (1 - share)) if 0 < share < 1 else 0.0, 0.0])
    loss = _loss(design, target, weight, penalty, beta)
    for _ in range(MAX_STEPS):
        p = sigmoid(design @ beta)
        gradient = design.T @ (weight * (p - target)) + penalty * beta
        hessian = (design * (weight * p * (1 - p))[:, None]).T @ design + np.diag(penalty + 1e-12)
        step = np.linalg.solve(hessian, gradient)
        scale = 1.0
        while (new := _loss(design, target, weight, penalty, beta - scale * step)) > loss and scale > 1e-8:
            scale /= 2
        beta, improvement, loss = beta - scale * step, loss - new, new
        if improvement < TOLERANCE * (1.0 + abs(loss)):
            break
    return float(beta[0]), float(beta[1])


def _loss(design: np.ndarray, target: np.ndarray, weight: np.ndarray, penalty: np.ndarray, beta: np.ndarray) -> float:
    eta = design @ beta
    return float(weight @ (np.logaddexp(0.0, eta) - target * eta) + 0.5 * penalty @ beta**2)
