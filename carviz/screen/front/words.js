// Written by `make front` from carviz/screen/phrases.py.
export default {
  "minus": "−",
  "none": "–",
  "significant": 0.05,
  "kinds": {
    "C": "color",
    "S": "shape",
    "×": "dead"
  },
  "kind_words": {
    "color": "colour",
    "shape": "shape",
    "dead": "dead"
  },
  "criteria": {
    "car": "CAR, greedy",
    "car-once": "CAR, ranked once",
    "log-prob": "fall of log p",
    "l1": "L1 norm",
    "l2": "L2 norm",
    "taylor": "Taylor",
    "apoz": "APoZ",
    "random": "random"
  },
  "changes": [
    "now wrong",
    "now right",
    "wrong before and after"
  ]
};
