"""The service that would otherwise be written: FastAPI, pydantic and a scikit-learn pickle.

    MODEL_PICKLE=cancer-pickle/1/model.pkl /usr/bin/python3 -m uvicorn fastapi_service:app --workers 4

with Debian's python3-fastapi, python3-uvicorn and python3-sklearn; the pickle is made by
tests/models/make_pickle.py. It is written as tutorials write it, with what costs time and
is not asked of the other side of the comparison left out, in its favour: API keys,
Prometheus counters, a log line a request. Nor does a batch answer with probabilities.
"""

import os
import pickle
from typing import List, Optional

import numpy as np
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, validator

app = FastAPI(title="ML Model API", version="1.0.0")

with open(os.environ["MODEL_PICKLE"], "rb") as file:
    model = pickle.load(file)

FEATURES = model.n_features_in_


class PredictionRequest(BaseModel):
    features: List[float]

    @validator("features")
    def validate_features(cls, v):
        if len(v) != FEATURES:
            raise ValueError(f"Must provide exactly {FEATURES} features")
        if any(np.isnan(v)):
            raise ValueError("Features cannot contain NaN")
        return v


class PredictionResponse(BaseModel):
    prediction: float
    probability: Optional[float] = None
    model_version: str = "1.0.0"


class BatchPredictionRequest(BaseModel):
    instances: List[List[float]]

    @validator("instances")
    def validate_instances(cls, v):
        if not v or any(len(row) != FEATURES for row in v):
            raise ValueError(f"Every instance must have exactly {FEATURES} features")
        return v


@app.post("/api/v1/predict", response_model=PredictionResponse)
async def predict(request: PredictionRequest):
    try:
        features = np.array([request.features])
        prediction = model.predict(features)[0]
        probability = model.predict_proba(features)[0][1] if hasattr(model, "predict_proba") else None
        return PredictionResponse(prediction=float(prediction),
                                  probability=float(probability) if probability is not None else None)
    except Exception as e:
        raise HTTPException(status_code=500, detail=str(e))


@app.post("/api/v1/batch-predict")
async def batch_predict(request: BatchPredictionRequest):
    try:
        predictions = model.predict(np.array(request.instances))
        return {"predictions": predictions.tolist(), "model_version": "1.0.0"}
    except Exception as e:
        raise HTTPException(status_code=500, detail=str(e))


@app.get("/health")
async def health():
    return {"status": "healthy"}
