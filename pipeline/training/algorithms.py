"""Named algorithms, as presets of TRL settings that a GRPO stage picks with ``algorithm:``. A recipe's own TRL settings
win over the preset's. ``tests/test_algorithms.py`` holds advantage and loss against the equations below.

With G completions o_i of a prompt, rewards r_i, ratios ρ_it = π(o_it) / π_old(o_it), and A_i the advantage:

    grpo     A = (r - mean) / std       mean_i 1/|o_i| Σ_t min(ρ A, clip(ρ, 1-ε, 1+ε) A) - β KL
             DeepSeekMath, arXiv 2402.03300, eq. 3 and 4 (the KL is its k3 estimator); DeepSeek-R1, eq. 1 to 3
    dr_grpo  A = r - mean               1/(G·L_max) Σ_i Σ_t …: no division by std and |o_i|, the two biases of GRPO
             arXiv 2503.20783, section 3.2
    dapo     A = (r - mean) / std       1/(Σ_i |o_i|) Σ_i Σ_t …, clip(ρ, 1-0.2, 1+0.28), no KL
             arXiv 2503.14476, eq. 8 to 10. Its dynamic sampling is not in TRL: choose problems of middling pass rate
             beforehand (`select_problems`). Its overlong punishment is a reward, hence the recipe's
    gspo     A = (r - mean) / std       mean_i min(s A, clip(s, 1-3e-4, 1+4e-4) A), s_i = (Π_t ρ_it)^(1/|o_i|), no KL
             arXiv 2507.18071, eq. 5 to 7 and section 5.1

With one optimizer step for each generation (the default) every ratio is 1 and no clip acts: the presets then differ in
how they weigh completions alone. ``num_iterations`` or ``steps_per_generation`` above 1 bring the ratios in.
"""

from collections.abc import Mapping
from typing import Any

ALGORITHMS: Mapping[str, Mapping[str, Any]] = {
    "grpo": {
        "loss_type": "grpo",
        "scale_rewards": "group",
        "importance_sampling_level": "token",
        "epsilon": 0.2,
        "use_bias_correction_kl": False,  # TRL's default multiplies the KL by the ratio, which the paper does not
    },
    "dr_grpo": {
        "loss_type": "dr_grpo",
        "scale_rewards": "none",
        "importance_sampling_level": "token",
        "epsilon": 0.2,
        "use_bias_correction_kl": False,
    },
    "dapo": {
        "loss_type": "dapo",
        "scale_rewards": "group",
        "importance_sampling_level": "token",
        "epsilon": 0.2,
        "epsilon_high": 0.28,
    },
    "gspo": {
        "loss_type": "grpo",
        "scale_rewards": "group",
        "importance_sampling_level": "sequence",
        "epsilon": 3e-4,
        "epsilon_high": 4e-4,
    },
}
